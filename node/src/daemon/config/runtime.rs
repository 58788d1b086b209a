//! `RuntimeConfiguration`: what can be chosen of the runtime, and what it is when nobody chooses.
//!
//! ```text
//! defaults ─► the file's document ─► flags ─► what the runtime is started with
//! ```
//!
//! `examples/config.yaml` shows every field with its default.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use podling_runtime::app::{NriPlugins, StreamingSettings};
use podling_runtime::cgroup::CgroupDriver;
use podling_runtime::image::RegistrySettings;
use podling_runtime::layout::Layout;
use podling_runtime::model::handler::OciRuntime;
use podling_runtime::network::{PodCidr, is_interface_name};
use podling_runtime::nri;

use super::document::{Document, tree};
use super::fields::{self, Fields, address, list, number, path, some, text, time, truth};
use super::handlers;
use super::problem::Problem;
use crate::args::{NriArguments, RuntimeArguments};
use crate::daemon::logging::{Logging, named};

/// What the runtime is started with, as far as a person can choose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuntimeConfiguration {
    /// Who makes the upper cgroups.
    pub(crate) cgroup_driver: CgroupDriver,
    /// Cgroup below which pods go whose client names none.
    pub(crate) cgroup_parent: String,
    /// Which network pods get.
    pub(crate) network: Network,
    /// Plugins that hear of pods and have a say in containers.
    pub(crate) nri: Nri,
    /// Where exec, attach and port-forward are served.
    pub(crate) streaming: Streaming,
    /// How registries are spoken to.
    pub(crate) registries: Registries,
    /// Who else makes containers.
    pub(crate) handlers: Vec<OciRuntime>,
    /// Where metrics are served, if anywhere.
    pub(crate) metrics_address: Option<SocketAddr>,
    /// What is logged.
    pub(crate) logging: Logging,
}

/// `network`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    /// The built-in bridge.
    pub(crate) bridge: String,
    /// Addresses of pods on it.
    pub(crate) pod_cidr: PodCidr,
    /// `network.cni`: where configurations lie; none: below the root, and the built-in bridge while nothing is there.
    pub(crate) cni_conf_dir: Option<PathBuf>,
    /// Where plugins lie.
    pub(crate) cni_bin_dirs: Vec<PathBuf>,
    /// How long plugins may take.
    pub(crate) cni_timeout: Duration,
}

/// `nri`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nri {
    /// Whether there are to be plugins.
    pub(crate) enabled: bool,
    /// Where they connect; none: below the root.
    pub(crate) socket: Option<PathBuf>,
    /// How long one may take to register.
    pub(crate) registration_timeout: Duration,
    /// How long one may take over a request.
    pub(crate) request_timeout: Duration,
}

/// `streaming`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Streaming {
    /// Port 0 takes a free one.
    pub(crate) address: SocketAddr,
    /// How long a connection may be silent.
    pub(crate) idle_timeout: Duration,
}

/// `registries`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registries {
    /// Directories with a `HOST/hosts.toml` for each registry; the first that is there counts.
    pub(crate) certs_dirs: Vec<PathBuf>,
    /// Layers of one image that are fetched at once.
    pub(crate) parallel_layers: u32,
    /// How long nothing may arrive.
    pub(crate) stall_timeout: Duration,
    /// How often a blob is asked for without progress.
    pub(crate) attempts: u32,
    /// Pause before the second attempt.
    pub(crate) retry_delay: Duration,
    /// Images that are reported as pinned.
    pub(crate) pinned_images: Vec<String>,
}

impl RuntimeConfiguration {
    /// What holds when nobody says otherwise.
    pub(crate) fn defaults(layout: &Layout, cgroup_parent: &str) -> Self {
        let registries = RegistrySettings::default();
        Self {
            cgroup_driver: CgroupDriver::default(),
            cgroup_parent: cgroup_parent.to_owned(),
            network: Network {
                bridge: "podling0".to_owned(),
                pod_cidr: "10.88.0.0/16".parse().expect("it has room for pods"),
                cni_conf_dir: None,
                cni_bin_dirs: ["/opt/cni/bin", "/usr/lib/cni"].map(PathBuf::from).into(),
                cni_timeout: Duration::from_secs(60),
            },
            nri: Nri {
                enabled: true,
                socket: None,
                registration_timeout: nri::REGISTRATION_TIMEOUT,
                request_timeout: nri::REQUEST_TIMEOUT,
            },
            streaming: Streaming {
                // Only processes of this machine, and whatever port is free: clients are told the URL.
                address: (Ipv4Addr::LOCALHOST, 0).into(),
                idle_timeout: StreamingSettings::DEFAULT_IDLE,
            },
            registries: Registries {
                certs_dirs: layout.registry_certs().into(),
                parallel_layers: u32::try_from(registries.parallel_layers).unwrap_or(u32::MAX),
                stall_timeout: registries.stall_timeout,
                attempts: registries.attempts,
                retry_delay: registries.retry_delay,
                pinned_images: registries.pinned.into_iter().collect(),
            },
            handlers: Vec::new(),
            metrics_address: None,
            logging: Logging::DEFAULT,
        }
    }

    /// Takes what the document says.
    pub(crate) fn read(&mut self, document: &Document, problems: &mut Vec<Problem>) {
        let tree = match tree(document) {
            Ok(tree) => tree,
            Err(problem) => {
                problems.push(problem);
                return;
            }
        };
        fields::read(&tree, "", problems, |fields| {
            // What they say has made this the runtime's document.
            fields.set("apiVersion", |_| Ok(()), &mut ());
            fields.set("kind", |_| Ok(()), &mut ());
            let driver = |word: &str| word.parse::<CgroupDriver>();
            fields.set("cgroupDriver", text(driver), &mut self.cgroup_driver);
            fields.set("cgroupParent", text(cgroup), &mut self.cgroup_parent);
            fields.group("network", |fields| self.network.read(fields));
            fields.group("nri", |fields| self.nri.read(fields));
            fields.group("streaming", |fields| self.streaming.read(fields));
            fields.group("registries", |fields| self.registries.read(fields));
            fields.set("runtimeHandlers", list(handlers::item), &mut self.handlers);
            fields.group("metrics", |fields| {
                fields.set("address", some(address), &mut self.metrics_address);
            });
            fields.group("logging", |fields| {
                fields.set("level", text(named), &mut self.logging.level);
                fields.set("format", text(named), &mut self.logging.format);
            });
        });
    }

    /// Takes what flags say.
    pub(crate) fn override_with(&mut self, flags: &RuntimeArguments, problems: &mut Vec<Problem>) {
        let network = &mut self.network;
        let mut refuse = |flag, message: String| problems.push(Problem::Flag { flag, message });
        if let Some(text) = &flags.pod_cidr {
            match text.parse() {
                Ok(cidr) => network.pod_cidr = cidr,
                Err(error) => refuse("--pod-cidr", format!("{error}")),
            }
        }
        if let Some(name) = &flags.bridge {
            match bridge(name) {
                Ok(name) => network.bridge = name,
                Err(message) => refuse("--bridge", message),
            }
        }
        if let Some(dir) = &flags.cni_conf_dir {
            network.cni_conf_dir = Some(dir.clone());
        }
        if !flags.cni_bin_dir.is_empty() {
            network.cni_bin_dirs = directories(&flags.cni_bin_dir);
        }
        if let Some(address) = flags.metrics_address {
            self.metrics_address = Some(address);
        }
        if let Some(seconds) = flags.cni_timeout {
            network.cni_timeout = Duration::from_secs(seconds.into());
        }
        let mut named = Vec::new();
        for flag in &flags.runtime_handler {
            match handlers::flag(flag) {
                Ok(handler) => named.push(handler),
                Err(message) => refuse("--runtime-handler", message),
            }
        }
        handlers::override_with(&mut self.handlers, named);
        self.nri.override_with(&flags.nri);
    }
}

impl Nri {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("enabled", truth, &mut self.enabled);
        fields.set("socket", some(path), &mut self.socket);
        fields.set("registrationTimeout", time, &mut self.registration_timeout);
        fields.set("requestTimeout", time, &mut self.request_timeout);
    }

    fn override_with(&mut self, flags: &NriArguments) {
        self.enabled &= !flags.disable_nri;
        if let Some(socket) = &flags.nri_socket {
            self.enabled = true;
            self.socket = Some(socket.clone());
        }
        if let Some(seconds) = flags.nri_request_timeout {
            self.request_timeout = Duration::from_secs(seconds.into());
        }
    }

    /// As the runtime takes it.
    pub(crate) fn plugins(self) -> Option<NriPlugins> {
        self.enabled.then_some(NriPlugins {
            socket: self.socket,
            registration_timeout: self.registration_timeout,
            request_timeout: self.request_timeout,
        })
    }
}

impl Network {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("bridge", text(bridge), &mut self.bridge);
        let pod_cidr = |text: &str| text.parse::<PodCidr>();
        fields.set("podCIDR", text(pod_cidr), &mut self.pod_cidr);
        fields.group("cni", |fields| {
            fields.set("confDir", some(path), &mut self.cni_conf_dir);
            fields.set("binDirs", list(path), &mut self.cni_bin_dirs);
            fields.set("timeout", time, &mut self.cni_timeout);
        });
    }
}

impl Streaming {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("address", address, &mut self.address);
        fields.set("idleTimeout", time, &mut self.idle_timeout);
    }
}

impl Registries {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("certsDirs", list(path), &mut self.certs_dirs);
        fields.set("parallelLayers", number(1, 64), &mut self.parallel_layers);
        fields.set("stallTimeout", time, &mut self.stall_timeout);
        fields.set("attempts", number(1, 1000), &mut self.attempts);
        fields.set("retryDelay", time, &mut self.retry_delay);
        let name = |name: &str| Ok::<_, String>(name.to_owned());
        fields.set("pinnedImages", list(text(name)), &mut self.pinned_images);
    }

    /// As the runtime takes it.
    pub(crate) fn settings(self) -> RegistrySettings {
        RegistrySettings {
            certs_dirs: self.certs_dirs,
            parallel_layers: self.parallel_layers as usize,
            stall_timeout: self.stall_timeout,
            attempts: self.attempts,
            retry_delay: self.retry_delay,
            pinned: BTreeSet::from_iter(self.pinned_images),
            ..RegistrySettings::default()
        }
    }
}

fn bridge(name: &str) -> Result<String, String> {
    if is_interface_name(name) {
        return Ok(name.to_owned());
    }
    Err(format!(
        "{name:?} cannot name a bridge: 1 to 15 letters, digits, '-', '_' or '.' are expected"
    ))
}

fn cgroup(path: &str) -> Result<String, String> {
    let is_plain = |step: &str| !matches!(step, "" | "." | "..");
    if podling_systemd::path_of_slice(path).is_ok() {
        return Ok(path.to_owned());
    }
    match path.strip_prefix('/') {
        Some(rest) if rest.split('/').all(is_plain) => Ok(path.to_owned()),
        _ => Err(format!(
            "{path:?} is not the path of a cgroup, as /podling, or a slice, as podling.slice"
        )),
    }
}

/// The directories of a flag that may be repeated and whose values are separated by colons.
fn directories(flags: &[String]) -> Vec<PathBuf> {
    let all = flags.iter().flat_map(|flag| flag.split(':'));
    all.filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests;
