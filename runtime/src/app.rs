//! The composition root of the runtime.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use podling_systemd::{Systemd, SystemdError};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cgroup::{CgroupDriver, CgroupError, Cgroups};
use crate::cri::{self, ServeError};
use crate::handler::{HandlerError, Handlers};
use crate::host::{self, HostError};
use crate::image::{Images, OpenError as OpenImagesError, RegistrySettings};
use crate::layout::Layout;
use crate::lifecycle::{Events, Lifecycle, LifecycleError, Parts, Pods, Programs};
use crate::metrics::{self, Metrics};
use crate::model::handler::OciRuntime;
use crate::network::{
    BridgeSettings, CniSettings, Keeper, NetworkError, NetworkSettings, PodCidr, PodNetwork, UseCni,
};
use crate::nri;
use crate::spec::{CgroupMode, HostFacts, Selinux};
use crate::stats::Stats;
use crate::store::{Store, StoreError};
use crate::streaming::{Limits, ListenError, Server};
use crate::sys::lock;

/// How long the lock of a daemon that was killed is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// What a runtime is told at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Every path lies below it; `/` for the system's own.
    pub root: PathBuf,
    /// The programs of the same build.
    pub programs: Programs,
    /// Name of the built-in bridge, at most 15 characters.
    pub bridge: String,
    /// Addresses of pods.
    pub pod_cidr: PodCidr,
    /// CNI networks.
    pub cni: Cni,
    /// Plugins of the Node Resource Interface; `None` when there are to be none.
    pub nri: Option<NriPlugins>,
    /// Cgroup below which pods go whose client names no parent.
    pub cgroup_parent: String,
    /// Who makes cgroups above those of the runtime.
    pub cgroup_driver: CgroupDriver,
    /// The streams of Exec, Attach and PortForward.
    pub streaming: StreamingSettings,
    /// Where metrics are served, if anywhere; port 0 takes a free one.
    pub metrics_address: Option<SocketAddr>,
    /// How registries are spoken to; without a directory of certificates, those below the root.
    pub registries: RegistrySettings,
    /// OCI runtimes that make containers of pods which name them.
    pub handlers: Vec<OciRuntime>,
}

/// What a runtime is told about CNI networks.
#[derive(Clone, Debug)]
pub struct Cni {
    /// Where configurations lie, and nothing but them counts; `None` is `etc/cni/net.d` below the
    /// root, and the built-in bridge as long as nothing is there.
    pub conf_dir: Option<PathBuf>,
    /// Where plugins lie; earlier directories win.
    pub bin_dirs: Vec<PathBuf>,
    /// How long the plugins may take together to attach, or to detach, a pod.
    pub time_limit: Duration,
}

/// What a runtime is told about streams.
#[derive(Clone, Copy, Debug)]
pub struct StreamingSettings {
    /// Where they are served; port 0 takes a free one.
    pub address: SocketAddr,
    /// How long a connection may be silent.
    pub idle: Duration,
}

impl StreamingSettings {
    /// How long clients expect that a connection may be silent.
    pub const DEFAULT_IDLE: Duration = Limits::USUAL.idle;
}

/// What a runtime is told about plugins of the Node Resource Interface.
#[derive(Clone, Debug)]
pub struct NriPlugins {
    /// Where they connect; `None` is `var/run/nri/nri.sock` below the root.
    pub socket: Option<PathBuf>,
    /// How long one may take to register.
    pub registration_timeout: Duration,
    /// How long one may take over a request.
    pub request_timeout: Duration,
}

/// Why a runtime cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A directory of its own cannot be made.
    #[error("make {path}", path = path.display())]
    Directory {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another runtime uses this root.
    #[error("another podling runs on this root: {path} is locked; stop it or use another --root", path = path.display())]
    Locked {
        /// The lock.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program of the same build is missing.
    #[error("{path} is missing: it belongs beside the podling program", path = path.display())]
    Program {
        /// Where it was looked for.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The machine cannot be understood.
    #[error("look at the machine")]
    Host(#[from] HostError),
    /// The runtime handlers cannot be used.
    #[error(transparent)]
    Handlers(#[from] HandlerError),
    /// Cgroups cannot be used.
    #[error("open the cgroups")]
    Cgroups(#[from] CgroupError),
    /// systemd cannot be the cgroup driver.
    #[error(
        "cgroupDriver: systemd needs a machine with cgroup v2 alone, and this one has v1: use cgroupDriver: cgroupfs"
    )]
    DriverNeedsV2,
    /// systemd is to be the cgroup driver, and is not there.
    #[error("cgroupDriver: systemd")]
    Systemd(#[from] SystemdError),
    /// The records cannot be used.
    #[error("open the records")]
    Store(#[from] StoreError),
    /// The image store cannot be used.
    #[error("open the image store")]
    Images(#[from] OpenImagesError),
    /// The pod network cannot be used.
    #[error("open the pod network")]
    Network(#[from] NetworkError),
    /// What a former daemon left cannot be taken over.
    #[error("take over the pods of the last run")]
    Recover(#[source] LifecycleError),
    /// Plugins cannot be let in.
    #[error(transparent)]
    Nri(#[from] nri::StartError),
    /// Streams cannot be served.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Metrics cannot be served.
    #[error(transparent)]
    Metrics(#[from] metrics::ListenError),
    /// The CRI cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// A runtime that has taken over what it found, and does not serve yet.
#[derive(Debug)]
pub struct Runtime {
    lifecycle: Lifecycle,
    streaming: Server,
    metrics: Option<metrics::Server>,
    stream_limits: Limits,
    socket: PathBuf,
    // Released by the kernel however the process ends.
    _lock: std::os::fd::OwnedFd,
}

impl Runtime {
    /// Opens everything below the root and takes over the pods that are there.
    pub async fn open(settings: Settings, shutdown: CancellationToken) -> Result<Self, AppError> {
        let layout = Layout::below(settings.root);
        make_dirs(&layout)?;
        let lock = take_lock(&layout).await?;
        check_programs(&settings.programs)?;
        let host = look_at_host(&layout)?;
        let handlers = Handlers::open(settings.handlers, &host)?;
        let boot_id = host::boot_id()?;
        let (cgroups, systemd) = open_cgroups(settings.cgroup_driver).await?;
        let mut registries = settings.registries;
        if registries.certs_dirs.is_empty() {
            registries.certs_dirs.extend(layout.registry_certs());
        }
        let metrics = Metrics::default();
        let images = Images::open(&layout.images(), &boot_id, registries)?;
        let images = images.counted_by(metrics.clone());
        let bridge = BridgeSettings {
            bridge: settings.bridge,
            cidr: settings.pod_cidr,
            state_dir: layout.network(),
        };
        let network = network_settings(bridge, settings.cni, &layout, &boot_id);
        let (plugins, nri_service) = nri::prepare();
        let parts = Parts {
            boot_id,
            nri: plugins,
            store: Store::open(&layout)?,
            images: Arc::new(images),
            network: Arc::new(PodNetwork::open(network)?),
            cgroups,
            cgroup_driver: settings.cgroup_driver,
            systemd,
            default_cgroup_parent: settings.cgroup_driver.parent(&settings.cgroup_parent),
            programs: settings.programs,
            pods: Pods::default(),
            metrics,
            events: Events::default(),
            tasks: TaskTracker::new(),
            shutdown,
            host,
            handlers,
            layout,
        };
        let socket = parts.layout.socket();
        stop_plugins_at_the_end(&parts);
        keep_network(&parts);
        let streaming = Server::listen(settings.streaming.address).await?;
        let metrics = match settings.metrics_address {
            Some(address) => Some(metrics::Server::listen(address).await?),
            None => None,
        };
        let lifecycle = Lifecycle::start(parts).await.map_err(AppError::Recover)?;
        if let Some(told) = settings.nri {
            start_nri(nri_service, told, &lifecycle).await?;
        }
        Ok(Self {
            lifecycle,
            streaming,
            metrics,
            stream_limits: Limits {
                idle: settings.streaming.idle,
                ..Limits::USUAL
            },
            socket,
            _lock: lock,
        })
    }

    /// What can be done with pods, for whoever shares the process.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Serves the CRI until the shutdown that `open` was given. Pods go on after it.
    pub async fn serve(self) -> Result<(), AppError> {
        let parts = self.lifecycle.parts();
        let shutdown = parts.shutdown.clone();
        let sessions = Arc::new(self.lifecycle.clone());
        let metrics_address = self.metrics.as_ref().map(metrics::Server::address);
        let services = cri::Services {
            lifecycle: self.lifecycle.clone(),
            urls: self.streaming.urls(),
            metrics_address,
            stats: Stats::open(
                parts.cgroups.clone(),
                parts.layout.state_dir(),
                &parts.tasks,
                shutdown.clone(),
            ),
        };
        let streams = self
            .streaming
            .serve(sessions, self.stream_limits, shutdown.clone());
        let scraped = self.lifecycle.clone();
        let scrapes = serve_metrics(self.metrics, scraped, shutdown.clone());
        let rpcs = async {
            let served = cri::serve(&self.socket, services, shutdown).await;
            // However serving ended, nothing else goes on without it.
            parts.shutdown.cancel();
            served
        };
        let ((), (), served) = tokio::join!(streams, scrapes, rpcs);
        served?;
        self.lifecycle.stop().await;
        Ok(())
    }
}

fn network_settings(
    bridge: BridgeSettings,
    told: Cni,
    layout: &Layout,
    boot_id: &str,
) -> NetworkSettings {
    NetworkSettings {
        use_cni: match told.conf_dir {
            Some(_) => UseCni::Always,
            None => UseCni::WhenConfigured,
        },
        cni: CniSettings {
            conf_dir: told.conf_dir.unwrap_or_else(|| layout.cni_conf_dir()),
            bin_dirs: told.bin_dirs,
            state_dir: layout.cni_attachments(),
            time_limit: told.time_limit,
            boot_id: boot_id.to_owned(),
            pod_cidr: bridge.cidr,
        },
        bridge,
    }
}

/// Pods that cannot have their cgroups are not let in one by one: the runtime does not start.
async fn open_cgroups(driver: CgroupDriver) -> Result<(Cgroups, Systemd), AppError> {
    let (cgroups, systemd) = (Cgroups::open()?, Systemd::of_this_machine());
    if driver == CgroupDriver::Systemd {
        if cgroups.mode() == CgroupMode::V1 {
            return Err(AppError::DriverNeedsV2);
        }
        let asked = systemd.clone();
        let greeted = tokio::task::spawn_blocking(move || asked.greet()).await;
        greeted.expect("greeting does not panic")?;
    }
    Ok((cgroups, systemd))
}

async fn serve_metrics(
    server: Option<metrics::Server>,
    lifecycle: Lifecycle,
    shutdown: CancellationToken,
) {
    if let Some(server) = server {
        tracing::info!(address = %server.address(), "metrics are served");
        server
            .serve(move || lifecycle.metrics_text(), shutdown)
            .await;
    }
}

/// Lets plugins in, now that they can be told what is there.
async fn start_nri(
    service: nri::Service,
    told: NriPlugins,
    lifecycle: &Lifecycle,
) -> Result<(), nri::StartError> {
    let parts = lifecycle.parts();
    let socket = match told.socket {
        Some(socket) => nri::Socket::Asked(socket),
        None => nri::Socket::Usual(parts.layout.nri_socket()),
    };
    let settings = nri::Settings {
        socket: Some(socket),
        plugin_dir: parts.layout.nri_plugins(),
        config_dir: parts.layout.nri_configs(),
        registration_timeout: told.registration_timeout,
        request_timeout: told.request_timeout,
    };
    let (domain, shutdown) = (Arc::new(lifecycle.clone()), parts.shutdown.clone());
    service
        .start(settings, domain, &parts.tasks, shutdown)
        .await
}

/// A plugin that still runs when the daemon is told to end is killed; the next daemon has what it
/// left undone.
fn stop_plugins_at_the_end(parts: &Parts) {
    let (shutdown, network) = (parts.shutdown.clone(), Arc::clone(&parts.network));
    parts.tasks.spawn(async move {
        shutdown.cancelled().await;
        network.stop();
    });
}

/// What others take away from the pods' network is made again. A runtime that cannot hear of that does
/// so when it is asked for its status.
fn keep_network(parts: &Parts) {
    match Keeper::of(Arc::clone(&parts.network)) {
        Ok(keeper) => {
            parts.tasks.spawn(keeper.run(parts.shutdown.clone()));
        }
        Err(error) => {
            tracing::warn!(%error, "what others change of the pod network is not heard of");
        }
    }
}

fn make_dirs(layout: &Layout) -> Result<(), AppError> {
    for path in [
        layout.sandbox_run_dirs(),
        layout.state_dir(),
        layout.seccomp_cache(),
    ] {
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path);
        made.map_err(|source| AppError::Directory { path, source })?;
    }
    Ok(())
}

fn look_at_host(layout: &Layout) -> Result<HostFacts, AppError> {
    if let Err(error) = host::load_apparmor_default() {
        let error = &error as &dyn std::error::Error;
        // Who asks for the profile by name of a field is refused; the others run without.
        tracing::warn!(error, "the default AppArmor profile is not loaded");
    }
    if host::selinux_state() == Selinux::Enabled(None) {
        tracing::warn!("the SELinux policy has no container_t: pods get no labels");
    }
    let tried = host::can_have_user_namespaces(&layout.state_dir());
    if let Err(error) = &tried {
        tracing::info!(%error, "no user namespaces for pods");
    }
    Ok(HostFacts {
        user_namespaces: tried.is_ok(),
        ..host::read()?
    })
}

/// A daemon that was killed while it started a program leaves its lock to that process until the program has
/// begun: that is waited for.
async fn take_lock(layout: &Layout) -> Result<std::os::fd::OwnedFd, AppError> {
    let path = layout.daemon_lock();
    let end = Instant::now() + LOCK_PATIENCE;
    loop {
        match lock::acquire(&path) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < end => {
                sleep(LOCK_PAUSE).await;
            }
            taken => return taken.map_err(|source| AppError::Locked { path, source }),
        }
    }
}

fn check_programs(programs: &Programs) -> Result<(), AppError> {
    let check = |path: &Path| {
        let opened = File::open(path).map(drop);
        opened.map_err(|source| AppError::Program {
            path: path.to_owned(),
            source,
        })
    };
    [&programs.monitor, &programs.launch, &programs.pause]
        .into_iter()
        .try_for_each(|p| check(p))
}
