//! CNI networks: pods are attached by the plugins of a configuration, spoken to as the specification
//! 1.1.0 has it (and versions back to 0.3.0).
//!
//! ```text
//! directory ─► config P ─┐
//! request ─► offer P ────┴─► invocation P ─► plugin (a program) ─► answer P
//!                                │ chain: ADD →, DEL ←
//!                          attachment (on disk, before the first plugin is called)
//! ```
//!
//! A pod is detached with the configuration that it was attached with, as often as it takes: the
//! record of its attachment goes only when every plugin has let go. Everything here blocks, for as
//! long as plugins take: asynchronous callers put it on a thread for that.

mod answer;
mod attachment;
mod bandwidth;
mod chain;
mod config;
mod describe;
mod directory;
mod error;
mod invocation;
mod offer;
mod pause;
mod plugin;
mod readiness;
mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

pub use answer::{AnswerError, PluginMessage};
pub use error::{CniError, KeptError};
pub use invocation::Verb;
pub use offer::RefusedWish;
pub use plugin::PluginError;

use super::pod::bring_loopback_up;
use super::pod_cidr::PodCidr;
use super::request::{AttachRequest, Wishes};
use crate::failpoint;
use crate::model::SandboxId;
use crate::store::{Found, Records};
use attachment::Attachment;
use config::NetworkConfig;
use pause::Pause;
use plugin::{Limit, Plugins};
use readiness::Known;

/// How long plugins may take for what nobody's pod waits for.
const GLANCE: Duration = Duration::from_secs(10);

/// What CNI networks are made from.
#[derive(Clone, Debug)]
pub struct CniSettings {
    /// Where configurations lie.
    pub conf_dir: PathBuf,
    /// Where plugins lie; earlier directories win.
    pub bin_dirs: Vec<PathBuf>,
    /// Where attachments are recorded.
    pub state_dir: PathBuf,
    /// How long the plugins of a chain may take together to attach, or to detach, a pod.
    pub time_limit: Duration,
    /// Which boot of the kernel this is.
    pub boot_id: String,
    /// Addresses of pods, for plugins that take them from the runtime.
    pub pod_cidr: PodCidr,
}

/// A configuration that was chosen for a pod.
#[derive(Clone, Debug)]
pub struct Chosen(NetworkConfig);

/// What the directory of configurations holds.
#[derive(Debug)]
pub(super) enum Configured {
    /// No file that is meant to be a configuration.
    Nothing,
    /// A configuration, and broken files before it.
    Network(Box<Chosen>, Vec<String>),
    /// Only broken files.
    Broken(Vec<String>),
}

/// The CNI networks of one node.
#[derive(Debug)]
pub(super) struct CniNetworks {
    settings: CniSettings,
    plugins: Plugins,
    known: Known,
    attachments: Records<Attachment>,
    // Network namespaces of attached pods: they outlive their pause until plugins have let go.
    held: Mutex<BTreeMap<SandboxId, Arc<OwnedFd>>>,
}

impl CniNetworks {
    /// Opens the records of attachments; no plugin is called.
    pub(super) fn open(settings: CniSettings) -> Result<Self, CniError> {
        let plugins = Plugins::in_dirs(settings.bin_dirs.clone()).map_err(CniError::Prepare)?;
        Ok(Self {
            plugins,
            known: Known::default(),
            attachments: Records::open(settings.state_dir.clone())?,
            held: Mutex::default(),
            settings,
        })
    }

    /// Reads the configurations.
    pub(super) fn configured(&self) -> Result<Configured, CniError> {
        let dir = &self.settings.conf_dir;
        let found = directory::load(dir).map_err(|source| CniError::Directory {
            dir: dir.clone(),
            source,
        })?;
        if found.is_empty() {
            return Ok(Configured::Nothing);
        }
        Ok(match found.network {
            Some(network) => Configured::Network(Box::new(Chosen(network)), found.broken),
            None => Configured::Broken(found.broken),
        })
    }

    /// Where configurations are looked for.
    pub(super) fn conf_dir(&self) -> &std::path::Path {
        &self.settings.conf_dir
    }

    /// Whether a network can give a pod what it wants.
    pub(super) fn accept(
        &self,
        network: &Chosen,
        id: &SandboxId,
        wishes: &Wishes,
    ) -> Result<(), RefusedWish> {
        offer::values(&network.0, wishes, self.settings.pod_cidr)?;
        offer::arguments(id, wishes).map(drop)
    }

    /// Attaches a pod and returns its addresses. On an error it may be attached in part, which
    /// [`detach`](Self::detach) undoes.
    pub(super) fn attach(
        &self,
        network: &Chosen,
        request: &AttachRequest,
    ) -> Result<Vec<IpAddr>, CniError> {
        let network = &network.0;
        let mut attachment = self.begin(network, request)?;
        self.attachments.create(&attachment)?;
        failpoint::reach("cni_add.recorded");
        let limit = Limit::of(self.settings.time_limit);
        let mut so_far = attachment.clone();
        let keep = |result: &Value| {
            so_far.so_far = Some(result.clone());
            Ok(self.attachments.save(&so_far)?)
        };
        let result = chain::add(&self.plugins, network, &attachment, limit, keep)?;
        let addresses = answer::addresses(&result).map_err(|source| CniError::Result {
            network: network.name.clone(),
            source,
        })?;
        failpoint::reach("cni_add.done");
        attachment.result = Some(result);
        self.attachments.save(&attachment)?;
        failpoint::reach("cni_add.kept");
        Ok(addresses)
    }

    /// Everything that needs no plugin: what they are to be told, and the loopback.
    fn begin(
        &self,
        network: &NetworkConfig,
        request: &AttachRequest,
    ) -> Result<Attachment, CniError> {
        let failed = |source| CniError::Namespace {
            pid: request.pause_pid,
            source,
        };
        let boot_id = &self.settings.boot_id;
        let pause = Pause::find(request.pause_pid, boot_id).map_err(failed)?;
        let netns = pause.netns(boot_id);
        let netns = netns.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        bring_loopback_up(netns.as_fd()).map_err(CniError::Loopback)?;
        let attachment = Attachment {
            id: request.id.clone(),
            pause,
            file: network.file.clone(),
            config: network.text.clone(),
            arguments: offer::arguments(&request.id, &request.wishes)?,
            values: offer::values(network, &request.wishes, self.settings.pod_cidr)?,
            result: None,
            so_far: None,
        };
        self.held().insert(request.id.clone(), Arc::new(netns));
        Ok(attachment)
    }

    /// Whether plugins have, or may have, attached this pod.
    pub(super) fn is_attached(&self, id: &SandboxId) -> Result<bool, CniError> {
        Ok(self.attachments.get(id)?.is_some())
    }

    /// Has every plugin let go of a pod, and forgets it then. May be repeated; best while its network
    /// namespace is there.
    pub(super) fn detach(&self, id: &SandboxId) -> Result<(), CniError> {
        if let Some(attachment) = self.attachments.get(id)? {
            self.delete(&attachment)?;
            failpoint::reach("cni_del.done");
            self.attachments.discard(id)?;
            failpoint::reach("cni_del.forgotten");
            self.sweep();
        }
        self.held().remove(id);
        Ok(())
    }

    /// Deletes forgotten records. Nothing hangs on it: the next one does it too.
    fn sweep(&self) {
        if let Err(error) = self.attachments.sweep() {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "a forgotten attachment was not deleted");
        }
    }

    fn delete(&self, attachment: &Attachment) -> Result<(), CniError> {
        let network = network_of(attachment)?;
        let netns = self.hold(attachment);
        // Gone with everything in it: the specification has plugins told so by an empty path.
        let path = netns.as_deref().map(pause::path_of).unwrap_or_default();
        let limit = Limit::of(self.settings.time_limit);
        chain::del(&self.plugins, &network, attachment, &path, limit)
    }

    /// Keeps a pod's network namespace until it is detached.
    fn hold(&self, attachment: &Attachment) -> Option<Arc<OwnedFd>> {
        let mut held = self.held();
        if let Some(netns) = held.get(&attachment.id) {
            return Some(Arc::clone(netns));
        }
        let netns = Arc::new(attachment.pause.netns(&self.settings.boot_id)?);
        held.insert(attachment.id.clone(), Arc::clone(&netns));
        Some(netns)
    }

    /// Detaches every pod that is not `live`, names those that were, and has plugins that can do so
    /// clean up whatever else they still hold. A plugin that fails is tried again at the next start.
    pub(super) fn retain(&self, live: &BTreeSet<SandboxId>) -> Result<Vec<SandboxId>, CniError> {
        let mut detached = Vec::new();
        for found in self.attachments.load()? {
            match found {
                Found::Record(attachment) if live.contains(&attachment.id) => {
                    self.hold(&attachment);
                }
                Found::Record(attachment) => match self.detach(&attachment.id) {
                    Ok(()) => detached.push(attachment.id),
                    Err(error) => warn(
                        &attachment.id,
                        "a pod that is gone is still attached",
                        &error,
                    ),
                },
                Found::Remains(id) => self.attachments.discard(&id)?,
            }
        }
        self.sweep();
        if let Configured::Network(network, _) = self.configured()? {
            self.collect(&network.0)?;
        }
        detached.sort();
        Ok(detached)
    }

    /// GC, for plugins that know it.
    fn collect(&self, network: &NetworkConfig) -> Result<(), CniError> {
        if !network.version.has_status_and_gc() || network.disable_gc {
            return Ok(());
        }
        let all = self.recorded()?;
        let of_network = all.iter().filter(|attachment| {
            network_of(attachment).is_ok_and(|attached| attached.name == network.name)
        });
        let valid = invocation::valid_attachments(of_network.map(|one| one.id.as_str()));
        let collected = chain::gc(&self.plugins, network, &valid, Limit::of(GLANCE));
        if let Err(error) = collected {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "what is left of former pods was not collected");
        }
        Ok(())
    }

    /// Has plugins look at every attached pod, and tells of those that are not as they were.
    pub(super) fn check_all(&self) -> Result<(), CniError> {
        for attachment in self.recorded()? {
            if let Err(error) = self.check(&attachment)
                && self.is_attached(&attachment.id)?
            {
                warn(&attachment.id, "its network is not as it was made", &error);
            }
        }
        Ok(())
    }

    fn check(&self, attachment: &Attachment) -> Result<(), CniError> {
        let network = network_of(attachment)?;
        let is_wanted = network.version.has_check() && !network.disable_check;
        if attachment.result.is_none() || !is_wanted {
            return Ok(());
        }
        chain::check(&self.plugins, &network, attachment, Limit::of(GLANCE))
    }

    fn recorded(&self) -> Result<Vec<Attachment>, CniError> {
        let found = self.attachments.load()?.into_iter();
        let records = found.filter_map(|found| match found {
            Found::Record(attachment) => Some(attachment),
            Found::Remains(_) => None,
        });
        Ok(records.collect())
    }

    /// Whether pods can be attached to a network now.
    pub(super) fn look(&self, network: &Chosen) -> Result<(), CniError> {
        readiness::look(&self.plugins, &self.known, &network.0, Limit::of(GLANCE))
    }

    /// The configuration as `crictl info` shows it.
    pub(super) fn describe(&self, network: Option<&Chosen>) -> Value {
        let network = network.map(|chosen| &chosen.0);
        describe::describe(&self.settings.conf_dir, self.plugins.dirs(), network)
    }

    /// Kills the plugins that run; from now on none is run.
    pub(super) fn stop(&self) {
        self.plugins.stop();
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<SandboxId, Arc<OwnedFd>>> {
        // Every change is one insertion or removal, whole even after a panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn network_of(attachment: &Attachment) -> Result<NetworkConfig, CniError> {
    let network = attachment.network();
    network.map_err(|error| CniError::kept(&attachment.file, error))
}

fn warn(sandbox: &SandboxId, what: &'static str, error: &CniError) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(%sandbox, error, "{what}");
}
