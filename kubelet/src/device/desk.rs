//! The desk: the one owner of the books, which asks plugins and writes down what they gave.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodStatus;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::warn;

use super::books::{Books, Device, Handed, Holder, Outlook, Wish};
use super::checkpoint::{self, FILE};
use super::grant::Grant;
use super::health;
use super::wire::{Plugin, granted};
use crate::admit::NodeFacts;
use crate::metrics::DeviceMetrics;
use crate::model::{Container, Pod, PodUid, is_extended_resource};
use crate::pinning::NodeMask;
use crate::sync::Tenants;
use crate::whole::write_private;

/// Devices of init containers of a pod, which have ended when the others run, by resource.
pub type Reusable = BTreeMap<String, BTreeSet<String>>;

/// Why a pod has not got its devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReserved {
    /// It never will.
    Refused(Refused),
    /// Pods that are ending have them still.
    Busy(String),
}

impl NotReserved {
    /// The sentence.
    pub fn into_message(self) -> String {
        match self {
            Self::Refused(Refused { message, .. }) | Self::Busy(message) => message,
        }
    }
}

/// Why a pod is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// One word.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

impl Refused {
    /// For a reason that nobody has foreseen.
    pub fn unexpected(why: impl std::fmt::Display) -> Self {
        Self {
            reason: "UnexpectedAdmissionError",
            message: unexpected(why),
        }
    }
}

/// Who has which device.
pub struct Desk {
    state: Arc<Mutex<State>>,
    /// Who has it writes the file: one after the other.
    pen: Arc<Mutex<()>>,
    file: PathBuf,
    tenants: watch::Receiver<Tenants>,
    node: watch::Sender<Arc<NodeFacts>>,
    metrics: DeviceMetrics,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) books: Books,
    plugins: BTreeMap<String, Plugin>,
}

impl Desk {
    /// A desk with the books that an earlier kubelet left in a directory.
    pub fn open(
        directory: &Path,
        tenants: watch::Receiver<Tenants>,
        (node, metrics): (watch::Sender<Arc<NodeFacts>>, DeviceMetrics),
    ) -> Self {
        let file = directory.join(FILE);
        let books = match std::fs::read(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Books::default(),
            Err(error) => {
                warn!(%error, file = %file.display(), "who has which device is not known");
                Books::default()
            }
            Ok(bytes) => match checkpoint::read(&bytes) {
                Ok((held, names)) => Books::restored(held, names.into_iter(), Timestamp::now()),
                Err(error) => {
                    warn!(%error, file = %file.display(), "who has which device is not known");
                    Books::default()
                }
            },
        };
        let desk = Self {
            state: Arc::new(Mutex::new(State {
                books,
                plugins: BTreeMap::new(),
            })),
            pen: Arc::default(),
            file,
            tenants,
            node,
            metrics,
        };
        desk.tell_node();
        desk
    }

    /// A desk without plugins.
    #[cfg(test)]
    pub(crate) fn empty() -> Arc<Self> {
        let node = watch::Sender::new(Arc::new(NodeFacts::boundless()));
        let (_, tenants) = watch::channel(Tenants::default());
        Arc::new(Self::open(
            Path::new("/nowhere"),
            tenants,
            (node, DeviceMetrics::default()),
        ))
    }

    /// How many devices of each resource there are, and how many can be used.
    pub fn counts(&self) -> BTreeMap<String, (u64, u64)> {
        self.state().books.counts()
    }

    /// Every device that a container has.
    pub fn handed(&self, pod: &Pod, container: &Container) -> Vec<Handed> {
        self.state().books.handed(&holder(pod, container))
    }

    /// Every device that can be used.
    pub fn offered(&self) -> Vec<Handed> {
        self.state().books.offered()
    }

    /// Sees to it that each container of a pod has its devices; those that it has stay.
    pub async fn reserve(&self, pod: &Pod) -> Result<(), NotReserved> {
        let mut reusable = Reusable::new();
        for container in pod.spec.init_containers.iter().chain(&pod.spec.containers) {
            self.reserve_one(pod, container, &mut reusable, None)
                .await?;
        }
        Ok(())
    }

    /// Sees to it that a container has its devices, near to these nodes if that can be.
    pub async fn reserve_one(
        &self,
        pod: &Pod,
        container: &Container,
        reusable: &mut Reusable,
        near: Option<NodeMask>,
    ) -> Result<(), NotReserved> {
        self.settle_all(pod, container, reusable, near).await?;
        let mut spec = pod.spec.init_containers.iter();
        let is_step = spec.any(|one| one.name == container.name) && !container.is_sidecar();
        for (resource, held) in self.state().books.all_of(&holder(pod, container)) {
            let own = reusable.entry(resource.clone()).or_default();
            for id in held.ids() {
                match is_step {
                    true => drop(own.insert(id)),
                    false => drop(own.remove(&id)),
                }
            }
        }
        Ok(())
    }

    /// Gets one container its devices.
    async fn settle_all(
        &self,
        pod: &Pod,
        container: &Container,
        reusable: &Reusable,
        near: Option<NodeMask>,
    ) -> Result<(), NotReserved> {
        let (holder, none) = (holder(pod, container), BTreeSet::new());
        for (resource, count) in wishes(container) {
            let wish = Wish {
                holder: &holder,
                resource,
                count,
                reusable: reusable.get(resource).unwrap_or(&none),
                near,
            };
            self.settle(wish).await?;
        }
        Ok(())
    }

    async fn settle(&self, wish: Wish<'_>) -> Result<(), NotReserved> {
        let (outlook, plugin) = self.look(wish)?;
        let unknown = format!("unknown Device Plugin {}", wish.resource);
        let (ids, mut plugin) = match (outlook, plugin) {
            (Outlook::Settled, _) => return Ok(()),
            (Outlook::Ask(ids), Some(plugin)) => (ids, plugin),
            // It may register again.
            (Outlook::Ask(_), None) => return Err(NotReserved::Busy(unexpected(unknown))),
            (Outlook::Choose { .. }, None) => return Err(refused(unknown)),
            (Outlook::Choose { available, first }, Some(plugin)) => {
                let preferred = preferred(&plugin, (available, first), wish.count).await?;
                let taken = self.state().books.take(wish, &preferred);
                (taken.map_err(refused)?, plugin)
            }
        };
        // Written down first: a kubelet that dies now asks again for the same ones.
        let began = Instant::now();
        let answer = match self.save().await {
            Ok(()) => plugin.allocate(ids).await.map_err(|status| rpc(&status)),
            Err(error) => Err(format!("failed to write checkpoint file {FILE:?}: {error}")),
        };
        match answer {
            Ok(answer) => {
                self.metrics.allocated(wish.resource, began.elapsed());
                let books = &mut self.state().books;
                books.answered(wish.holder, wish.resource, answer);
            }
            Err(why) => {
                self.state().books.give_back(wish.holder, wish.resource);
                self.write_down().await;
                return Err(refused(why));
            }
        }
        let saved = self.save().await;
        saved.map_err(|error| refused(format!("failed to write checkpoint file {FILE:?}: {error}")))
    }

    /// What has to be done for a wish, and by whom.
    fn look(&self, wish: Wish<'_>) -> Result<(Outlook, Option<Plugin>), NotReserved> {
        let tenants = self.tenants.borrow().clone();
        let mut state = self.state();
        if tenants.known.is_some() {
            let mut holding = tenants.holding.clone();
            holding.insert(wish.holder.pod.clone());
            state.books.keep_only(&holding);
        }
        let plugin = state.plugins.get(wish.resource).cloned();
        match state.books.outlook(wish) {
            Ok(outlook) => Ok((outlook, plugin)),
            Err(why) => {
                let mut entries = state.books.entries();
                let is_ending = entries.any(|(holder, resource, _)| {
                    resource == wish.resource && !tenants.inside.contains_key(&holder.pod)
                });
                Err(if is_ending {
                    NotReserved::Busy(unexpected(why))
                } else {
                    refused(why)
                })
            }
        }
    }

    /// What a container that starts now gets with its devices. It may be that its plugin was not there
    /// when the pod was let in.
    pub async fn grant(&self, pod: &Pod, container: &Container) -> Result<Grant, String> {
        let settled = self
            .settle_all(pod, container, &Reusable::new(), None)
            .await;
        settled.map_err(NotReserved::into_message)?;
        let holder = holder(pod, container);
        let (mut all, mut told) = (Grant::default(), Vec::new());
        {
            let state = self.state();
            for (resource, held) in state.books.all_of(&holder) {
                all.extend(granted(held.answer.as_deref().unwrap_or_default()));
                let plugin = state.plugins.get(resource);
                if let Some(plugin) = plugin.filter(|plugin| plugin.options().pre_start) {
                    told.push((plugin.clone(), held.ids()));
                }
            }
        }
        for (mut plugin, ids) in told {
            let started = plugin.pre_start(ids.into_iter().collect()).await;
            started.map_err(|status| {
                let why = rpc(&status);
                format!("device plugin PreStartContainer rpc failed with err: {why}")
            })?;
        }
        Ok(all)
    }

    /// A plugin is there.
    pub(super) fn connect(&self, resource: &str, plugin: Plugin) {
        self.metrics.registered(resource);
        self.state().plugins.insert(resource.to_owned(), plugin);
    }

    /// Tells of each container of a pod which devices it has and how they are.
    pub fn tell_health(&self, pod: &Pod, status: &mut PodStatus) {
        health::tell(&self.state().books, &pod.uid, status);
    }

    /// A plugin told of all its devices; the pods that have some whose health has changed.
    pub(super) async fn list(
        &self,
        resource: &str,
        devices: BTreeMap<String, Device>,
    ) -> BTreeSet<PodUid> {
        let concerned = self.state().books.list(resource, devices);
        self.tell_node();
        self.write_down().await;
        concerned
    }

    /// A plugin is gone; the pods that have devices of it.
    pub(super) async fn lose(&self, resource: &str) -> BTreeSet<PodUid> {
        let concerned = {
            let mut state = self.state();
            state.plugins.remove(resource);
            state.books.lose(resource, Timestamp::now())
        };
        self.tell_node();
        self.write_down().await;
        concerned
    }

    /// Forgets plugins that have been gone for long.
    pub(super) async fn forget(&self) {
        let has_changed = self.state().books.forget(Timestamp::now());
        if has_changed {
            self.tell_node();
            self.write_down().await;
        }
    }

    fn tell_node(&self) {
        let devices = self.state().books.for_admission();
        self.node.send_modify(|facts| {
            let mut changed = (**facts).clone();
            let scalars = &mut changed.allocatable.scalars;
            scalars.retain(|name, _| !is_extended_resource(name));
            scalars.extend(devices);
            *facts = Arc::new(changed);
        });
    }

    /// Writes the books as they are now; what is not written is told of.
    async fn write_down(&self) {
        if let Err(error) = self.save().await {
            warn!(%error, file = %self.file.display(), "cannot write down who has which device");
        }
    }

    async fn save(&self) -> io::Result<()> {
        let (state, pen) = (Arc::clone(&self.state), Arc::clone(&self.pen));
        let file = self.file.clone();
        let saving = tokio::task::spawn_blocking(move || {
            let _pen = pen.lock().expect("no holder of this lock can panic");
            let bytes = {
                let state = state.lock().expect("no holder of this lock can panic");
                checkpoint::write(&state.books)
            };
            write_private(&file, bytes)
        });
        saving.await.map_err(io::Error::other)?
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock can panic")
    }
}

/// The devices that the plugin likes best, if it wants to be asked and there is a choice.
async fn preferred(
    plugin: &Plugin,
    (available, first): (BTreeSet<String>, BTreeSet<String>),
    count: usize,
) -> Result<Vec<String>, NotReserved> {
    if !plugin.options().preferred || first.len() == count {
        return Ok(Vec::new());
    }
    let (available, first) = (Vec::from_iter(available), Vec::from_iter(first));
    let asked = plugin.clone().preferred(available, first, count).await;
    asked.map_err(|status| {
        let why = rpc(&status);
        refused(format_args!(
            "device plugin GetPreferredAllocation rpc failed with err: {why}"
        ))
    })
}

pub(super) fn holder(pod: &Pod, container: &Container) -> Holder {
    Holder {
        pod: pod.uid.clone(),
        container: container.name.to_string(),
    }
}

/// The devices that a container asks for.
pub(super) fn wishes(container: &Container) -> impl Iterator<Item = (&str, usize)> {
    let limits = container.scalars.limits.iter();
    limits
        .filter(|(name, count)| is_extended_resource(name) && **count > 0)
        .map(|(name, count)| (name.as_str(), usize::try_from(*count).unwrap_or(usize::MAX)))
}

fn refused(why: impl std::fmt::Display) -> NotReserved {
    NotReserved::Refused(Refused::unexpected(why))
}

fn unexpected(why: impl std::fmt::Display) -> String {
    format!("Allocate failed due to {why}, which is unexpected")
}

/// An error of a plugin as Go's gRPC writes it.
fn rpc(status: &tonic::Status) -> String {
    format!(
        "rpc error: code = {:?} desc = {}",
        status.code(),
        status.message()
    )
}
