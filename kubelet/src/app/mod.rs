//! The composition root: every part is built and wired here, and nowhere else.
//!
//! ```text
//! files ────► FileSource ──┐
//! a page ───► HttpSource ──┴─► Gatherer ─► objects: Shelf ─► LocalObjects ─► PodExecutor
//!                          ┌──────┘
//! runtime ──► Generator ───┼─► inbox ─► sync ─► RuntimeObserver, PodExecutor ─► runtime
//!                          │             └────► PodTable, EventLog ─► server
//! ```
//!
//! Hardly anything is kept on disk that the runtime does not know: after a restart the labels of its
//! sandboxes and containers say what runs, so no container is started again.

mod cluster;
mod configured;
mod groups;
mod plugins;
mod portrait;
mod settings;
mod shutdown;
mod sources;
mod start;
#[cfg(test)]
mod tests;
mod upkeep;

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::addition::Additions;
use crate::admit::NodeFacts;
use crate::allocation::AllocationFile;
use crate::api::JoinError;
use crate::credential::{ProviderError, Wallet};
use crate::cri::{Client, Runtime};
use crate::csi::{Drivers, Mounter};
use crate::device;
use crate::event::EventLog;
use crate::evict::Standing;
use crate::execute::{Allocatable, ImageParts, Node, Parts, PodExecutor};
use crate::host;
use crate::layout::Layout;
use crate::metrics::Metrics;
use crate::model::{Event, EventKind};
use crate::node::AddressBook;
use crate::pinning;
use crate::pleg::{self, Generator, RuntimeObserver};
use crate::probe::ContainerProber;
use crate::pulled::PullRecords;
use crate::pulse::Pulse;
use crate::resource::{CgroupError, Upkeep};
use crate::server::{Doors, ListenError, PodTable, serve};
use crate::source::Gatherer;
use crate::status::Facts;
use crate::store::{Objects, Shelf, shelf};
use crate::sync::{
    Clock, EventRecorder, Input, Roles, SystemClock, Tenants, World, run as run_sync,
};

pub use crate::server::SystemLogs;
use cluster::Cluster;
pub use configured::Ports;
use portrait::{identity, say_what_failed};
pub use settings::{AtEnd, Places, ProcessSettings, Settings};
use start::{listen, make_directories, recover, wallet};

/// Inputs on their way to the sync loop.
const INBOX: usize = 1024;

/// Why a kubelet could not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// One of its directories cannot be made.
    #[error("cannot make directory {path}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Its server cannot listen.
    #[error("cannot serve")]
    Listen(#[from] ListenError),
    /// The address of its server cannot be written down.
    #[error("cannot write {path}")]
    AddressFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The cluster cannot be joined.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The programs that give credentials cannot be used.
    #[error("cannot use credential provider plugins")]
    Providers(#[from] ProviderError),
    /// More is kept from pods than there is.
    #[error("invalid Node Allocatable configuration. {0}")]
    OverReserved(String),
    /// A cgroup that shall be limited to what is reserved for it cannot be.
    #[error("cannot enforce what is reserved")]
    Reserved(#[source] CgroupError),
    /// CPUs cannot be given as configured.
    #[error(transparent)]
    Pinning(#[from] pinning::DeskError),
    /// One of its tasks ended before it was told to.
    #[error("the kubelet's {0} ended by itself")]
    PartEnded(&'static str),
}

/// Who plays the roles of the sync loop.
enum Cast {}

impl Roles for Cast {
    type Executor = PodExecutor;
    type Observer = RuntimeObserver;
    type Prober = ContainerProber;
    type Events = EventLog;
    type Statuses = PodTable;
    type Clock = SystemClock;
}

/// Runs a kubelet until `shutdown`.
pub async fn run(mut settings: Settings, shutdown: CancellationToken) -> Result<(), AppError> {
    make_directories(&settings).inspect_err(|error| say_what_failed(&settings, error))?;
    let standing = watch::Sender::new(Standing::default()).subscribe();
    let nowhere = watch::Sender::default().subscribe();
    let excess = identity(&settings, (None, standing), nowhere).excess();
    if !excess.is_empty() {
        return Err(AppError::OverReserved(excess.join(" ")));
    }
    let metrics = Metrics::with_gates(&settings.node_name, &settings.gates);
    metrics.cgroup_version(host::cgroup_version());
    let wallet = wallet(&settings, &metrics)?;
    let cluster = Cluster::join(&mut settings, &metrics)?;
    let doors = listen(&settings).await?;
    let mut client = Client::new(
        &settings.runtime_socket,
        settings.deadlines,
        metrics.clone(),
    );
    if let Some(socket) = &settings.image_socket {
        client = client.with_images_at(socket);
    }
    let mut kubelet = Kubelet {
        cluster,
        ..Kubelet::build(settings, Arc::new(client), metrics, wallet)?
    };
    kubelet.say_that_it_starts();
    let ended = kubelet.run(doors, shutdown).await;
    let socket = &kubelet.settings.server.addresses.socket;
    for file in kubelet.settings.address_file.iter().chain(socket) {
        // A file that is gone already is what is wanted.
        let _ = std::fs::remove_file(file);
    }
    ended
}

/// The parts that several tasks share.
struct Kubelet {
    settings: Settings,
    runtime: Arc<dyn Runtime>,
    layout: Layout,
    events: Arc<EventLog>,
    pods: Arc<PodTable>,
    observer: Arc<RuntimeObserver>,
    additions: Arc<Additions>,
    metrics: Metrics,
    pulse: Pulse,
    /// The node, as pods are let in to it.
    node: watch::Sender<Arc<NodeFacts>>,
    wallet: Arc<Wallet>,
    records: Option<Arc<PullRecords>>,
    /// What the node is short of.
    standing: watch::Sender<Standing>,
    /// The pods that are in.
    tenants: watch::Sender<Tenants>,
    /// Who has which device.
    devices: Arc<device::Desk>,
    /// The node's addresses, the primary first.
    addresses: watch::Sender<Vec<IpAddr>>,
    /// Where they come from.
    book: AddressBook,
    /// Who has which CPUs for himself.
    pinning: Arc<pinning::Desk>,
    /// Has drivers mount volumes.
    csi: Mounter,
    cluster: Option<Cluster>,
}

/// What the sync loop and those who write to it begin with.
struct Desk {
    world: World<Cast>,
    shelf: Shelf,
    inbox: mpsc::Sender<Input>,
    inputs: mpsc::Receiver<Input>,
}

impl Kubelet {
    fn build(
        mut settings: Settings,
        runtime: Arc<dyn Runtime>,
        metrics: Metrics,
        wallet: Wallet,
    ) -> Result<Self, AppError> {
        settings.pods.shape.machine = host::cgroup_machine();
        let book = AddressBook {
            name: settings.node_name.clone(),
            chosen: settings.node_ips.clone(),
        };
        if settings.node_ips.is_empty() {
            settings.node_ips = vec![host::address()];
        }
        let addresses = watch::Sender::new(settings.node_ips.clone());
        let layout =
            Layout::new(&settings.root, &settings.pod_logs).with_log_links(&settings.log_links);
        let standing = watch::Sender::new(Standing::default());
        let told = (None, standing.subscribe());
        let mut node = identity(&settings, told, addresses.subscribe())
            .for_admission(&settings.pods.allowed_unsafe_sysctls);
        node.resizing = settings.resize_rules();
        let policy = settings.verification.clone();
        let records = policy.map(|policy| PullRecords::new(&settings.root, policy));
        let (node, tenants) = (watch::Sender::new(Arc::new(node)), watch::Sender::default());
        let places = settings.plugin_places();
        let to_devices = (node.clone(), metrics.devices().clone());
        let devices = device::Desk::open(&places.devices, tenants.subscribe(), to_devices);
        let devices = Arc::new(devices);
        let pinning = pinning::Desk::open(pinning::Parts {
            machine: Arc::new(start::machine(&settings)?),
            settings: settings.pinning.clone(),
            kept_memory: settings.reserve.reserved_memory(host::memory_capacity()),
            root: settings.root.clone(),
            tenants: tenants.subscribe(),
            devices: Arc::clone(&devices),
            metrics: metrics.pinning().clone(),
        })?;
        let csi = Mounter::new(
            layout.clone(),
            Drivers::new(metrics.volumes().clone()),
            &settings.node_name,
        );
        Ok(Self {
            devices,
            pinning: Arc::new(pinning),
            addresses,
            book,
            csi,
            node,
            standing,
            tenants,
            events: Arc::new(EventLog::new(Arc::new(SystemClock))),
            pods: Arc::default(),
            observer: Arc::new(RuntimeObserver::new(Arc::clone(&runtime), layout.clone())),
            additions: Arc::new(Additions::new(layout.clone())),
            settings,
            runtime,
            layout,
            metrics,
            pulse: Pulse::default(),
            wallet: Arc::new(wallet),
            records: records.map(Arc::new),
            cluster: None,
        })
    }

    fn say_that_it_starts(&self) {
        let node = &self.settings.node_name;
        let message = "Starting kubelet.".to_owned();
        let event = Event::of_node(node, EventKind::Normal, "Starting", message);
        self.events.record(event);
        self.warn_of_machine();
    }

    async fn run(&mut self, doors: Doors, shutdown: CancellationToken) -> Result<(), AppError> {
        Upkeep::enforce_reserved(&self.upkeep_of_cgroups()).map_err(AppError::Reserved)?;
        let stop = CancellationToken::new();
        let mut parts = JoinSet::new();
        self.follow_addresses(&mut parts, &stop).await;
        self.start_certificates(&mut parts, &stop);
        let (shelf, local) = shelf(&self.settings.root);
        let (inbox, inputs) = mpsc::channel(INBOX);
        let objects = self.shelves(local, &inbox, &mut parts, &stop);
        let portrait = self.portrait(&doors);
        let shown = (Arc::clone(&portrait), Arc::clone(&objects));
        let exhibits = self.exhibits(shown, inbox.clone());
        let settings = self.settings.server.clone();
        let to_server = stop.clone();
        parts.spawn(async move {
            if let Err(error) = serve(doors, &settings, exhibits, to_server).await {
                warn!(%error, "the server failed");
            }
            "server"
        });
        let ended = match self.meet(&shutdown).await {
            Some((runtime_name, driver)) => {
                self.settings.cgroup_driver = driver;
                self.hand_over_pod_cidr().await;
                self.start_node(&portrait, &mut parts, &stop);
                let world = self.world(runtime_name, objects);
                let desk = Desk {
                    world,
                    shelf,
                    inbox,
                    inputs,
                };
                match self.keep_cgroups(&mut parts, &stop).await {
                    Ok(()) => self.work(desk, &mut parts, &stop, &shutdown).await,
                    Err(error) => Err(error),
                }
            }
            None => Ok(()),
        };
        stop.cancel();
        while parts.join_next().await.is_some() {}
        ended
    }

    /// Works until `shutdown`, and ends the pods then if they shall end.
    async fn work(
        &self,
        desk: Desk,
        parts: &mut JoinSet<&'static str>,
        stop: &CancellationToken,
        shutdown: &CancellationToken,
    ) -> Result<(), AppError> {
        let Desk {
            world,
            shelf,
            inbox,
            inputs,
        } = desk;
        if let Some(records) = &self.records {
            recover(self.runtime.as_ref(), records).await;
        }
        self.start_plugins(parts, &inbox, stop);
        let (generator, to_generator) = (self.generator(inbox.clone()), stop.clone());
        parts.spawn(async move {
            generator.run(to_generator).await;
            "event generator"
        });
        let says = self.spawn_sources(parts, stop);
        let mut gatherer = Gatherer::new(self.sources(), shelf, Arc::clone(&self.events));
        if let Some(cluster) = &self.cluster {
            gatherer = gatherer.telling(cluster.statics.clone());
        }
        let (to_inbox, to_gatherer, to_sync) = (inbox.clone(), stop.clone(), stop.clone());
        parts.spawn(async move {
            gatherer.run(says, to_inbox, to_gatherer).await;
            "gatherer of manifests"
        });
        self.start_upkeep(parts, &inbox, stop);
        let mut sync = tokio::spawn(run_sync(Arc::new(world), inputs, to_sync));

        // The arms are only waited for once; what they would have said is asked below.
        tokio::select! {
            () = shutdown.cancelled() => {}
            part = parts.join_next() => {
                stop.cancel();
                let part = part.and_then(Result::ok).unwrap_or("task");
                return Err(AppError::PartEnded(part));
            }
            _ = &mut sync => return Err(AppError::PartEnded("sync loop")),
        }
        if self.settings.at_end == AtEnd::EndPods {
            info!("ending all pods");
            if inbox.send(Input::EndAll).await.is_ok() && (&mut sync).await.is_ok() {
                return Ok(());
            }
        }
        stop.cancel();
        sync.await.map_err(|_| AppError::PartEnded("sync loop"))
    }

    fn allocatable(&self) -> Allocatable {
        let amounts = &self.node.borrow().allocatable;
        Allocatable {
            cpu_millis: amounts.cpu_millis,
            memory_bytes: amounts.memory,
            ephemeral_storage_bytes: amounts.ephemeral_storage,
        }
    }

    fn generator(&self, inbox: mpsc::Sender<Input>) -> Generator {
        Generator::new(pleg::Parts {
            runtime: Arc::clone(&self.runtime),
            observer: Arc::clone(&self.observer),
            inbox,
            intervals: self.settings.relist,
            metrics: self.metrics.clone(),
            pulse: self.pulse.clone(),
        })
    }

    fn world(&self, runtime_name: String, objects: Arc<dyn Objects>) -> World<Cast> {
        let settings = &self.settings;
        let executor = PodExecutor::new(Parts {
            runtime: Arc::clone(&self.runtime),
            events: Arc::clone(&self.events) as _,
            clock: Arc::new(SystemClock),
            layout: self.layout.clone(),
            objects,
            services: self
                .cluster
                .as_ref()
                .map(|one| Arc::clone(&one.services) as _),
            cgroups: self.cgroups(),
            devices: Arc::clone(&self.devices),
            pinning: Arc::clone(&self.pinning),
            csi: self.csi.clone(),
            attachments: self.cluster.as_ref().map(|one| one.attachments(&self.csi)),
            claims: self.cluster.as_ref().map(Cluster::claims),
            node_facts: self.node.subscribe(),
            node: Node {
                name: settings.node_name.clone(),
                ips: settings.node_ips.clone(),
                memory_capacity: host::memory_capacity(),
                allocatable: self.allocatable(),
                pods: settings.pods.clone(),
                resolv_conf: settings.resolv_conf.clone(),
                hosts_file: settings.hosts_file.clone(),
                has_selinux: host::has_selinux(),
            },
            images: ImageParts {
                wallet: Arc::clone(&self.wallet),
                pulls: settings.pulls,
                records: self.records.clone(),
            },
            metrics: self.metrics.clone(),
        });
        World {
            executor: Arc::new(executor),
            additions: Arc::clone(&self.additions) as _,
            allocations: Arc::new(AllocationFile::new(&self.layout.allocated())),
            observer: Arc::clone(&self.observer),
            prober: Arc::new(ContainerProber::new(
                Arc::clone(&self.runtime),
                self.layout.clone(),
            )),
            events: Arc::clone(&self.events),
            statuses: Arc::clone(&self.pods),
            clock: Arc::new(SystemClock),
            node: self.node.subscribe(),
            tenants: self.tenants.clone(),
            started_at: SystemClock.now(),
            facts: Facts {
                runtime_name,
                host_ips: settings.node_ips.clone(),
            },
            metrics: self.metrics.clone(),
            pulse: self.pulse.clone(),
            pace: settings.pace,
            keep: settings.keep,
        }
    }
}
