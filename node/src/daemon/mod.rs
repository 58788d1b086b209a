//! The daemons: runtime and kubelet, together or each alone.
//!
//! ```text
//! config, settings (pure) ─► up ─┬─► podling_runtime::app   serves the CRI socket
//!                                └─► podling_kubelet::app   talks to it
//! signal ─► stop the kubelet (its pods first?) ─► stop the runtime ─► take the network down?
//! ```
//!
//! Without `--end-pods-on-exit` a daemon that ends leaves its pods as a crash would: they go on, and
//! the next daemon of the same root takes them over.

mod cgroups;
pub(crate) mod config;
mod kubelet;
mod kubelet_config;
pub(crate) mod logging;
mod part;
mod process;
pub(crate) mod programs;
mod runtime;
mod service;
mod settings;
mod signals;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use podling_kubelet::app::AtEnd;
use podling_kubelet::config::Loaded;
use podling_runtime::layout::Layout;
use tokio::signal::unix::Signal;

use crate::args::{Daemon, KubeletArguments, KubeletFlags, UpArguments};
use crate::cri;
use crate::join::Files;
use config::{Flags, RuntimeConfiguration};
use logging::{Log, Logging};
use part::Part;
pub(crate) use programs::missing as missing_programs;
pub(crate) use runtime::DEFAULT_CGROUP_PARENT;
use service::{Patient, Service};
pub(crate) use settings::node_name;

/// Between two looks at a socket that is about to be there.
const PAUSE: Duration = Duration::from_millis(5);

type Outcome = Result<(), Box<dyn Error>>;

/// Runs a daemon until it is told to end, or only says whether its configuration is well.
pub(crate) async fn run(layout: &Layout, daemon: Daemon) -> Outcome {
    let configured = configure(layout, &daemon)?;
    if daemon.config().check_config {
        println!("ok");
        return Ok(());
    }
    let beside = Beside {
        layout,
        daemon: daemon.clone(),
        hangups: signals::hangups()?,
        log: logging::start(&configured.runtime.logging),
        service: Service::of_environment(),
    };
    match daemon {
        Daemon::Up(arguments) => up(layout, arguments, configured, beside).await,
        Daemon::Runtime(_) => runtime_alone(layout, configured.runtime, beside).await,
        Daemon::Kubelet(arguments) => {
            kubelet_alone(layout, arguments, &configured.kubelet, beside).await
        }
    }
}

/// What goes on beside the parts of a daemon.
struct Beside<'a> {
    layout: &'a Layout,
    daemon: Daemon,
    hangups: Signal,
    log: Log,
    service: Service,
}

impl Beside<'_> {
    /// Keeps the watchdog quiet while `patient` is well, and reads the configuration again when asked
    /// to. Never ends; nothing is lost when it is cancelled.
    async fn attend(&mut self, patient: &Patient<'_>) {
        let Self {
            layout,
            daemon,
            hangups,
            log,
            service,
        } = self;
        let reloading = async {
            while hangups.recv().await.is_some() {
                service.reloading();
                reload(layout, daemon, log);
                service.reloaded();
            }
            std::future::pending::<()>().await
        };
        tokio::join!(service.be_watched(patient), reloading);
    }
}

/// What can change while pods run is how much is logged.
fn reload(layout: &Layout, daemon: &Daemon, log: &Log) {
    match configure(layout, daemon) {
        Ok(configured) => {
            log.change(&configured.runtime.logging);
            tracing::info!(
                "the configuration was read again: the level of the log counts from now on"
            );
        }
        Err(problems) => {
            let error = problems.as_ref();
            tracing::error!(
                error,
                "the configuration cannot be used: what was read before stays"
            );
        }
    }
}

/// The configurations of both parts; a daemon that has only one of them leaves the other's document
/// alone.
struct Configured {
    runtime: RuntimeConfiguration,
    kubelet: Loaded,
}

/// What the files and the flags make of the defaults, or everything that is wrong with them.
fn configure(layout: &Layout, daemon: &Daemon) -> Result<Configured, Box<dyn Error>> {
    let (documents, mut problems) = config::read(layout, daemon.config().config.as_deref());
    let none = KubeletFlags::default();
    let (flags, kubelet_flags) = match daemon {
        Daemon::Up(up) => (Some(&up.runtime), Some(&up.kubelet)),
        Daemon::Runtime(runtime) => (Some(runtime), None),
        Daemon::Kubelet(kubelet) => (None, Some(&kubelet.kubelet)),
    };
    let document = documents.kubelet.filter(|_| kubelet_flags.is_some());
    let flags_of_kubelet = kubelet_flags.unwrap_or(&none);
    let joined = match kubelet_flags {
        Some(given) => Files::of(layout).layer(&given.upstream.0),
        None => (Vec::new(), None),
    };
    let kubelet = kubelet_config::read(&problems.file, document, flags_of_kubelet, joined);
    let mut defaults = RuntimeConfiguration::defaults(layout, DEFAULT_CGROUP_PARENT);
    if let (Ok(loaded), Daemon::Up(_)) = (&kubelet, daemon) {
        defaults.cgroup_parent = kubelet::cgroup_root(loaded);
        defaults.cgroup_driver = kubelet::cgroup_driver(loaded).unwrap_or_default();
    }
    let wishes = kubelet.as_ref().ok().and_then(|loaded| loaded.logging());
    if let Some(wishes) = wishes {
        defaults.logging = Logging::of_kubelet(&wishes);
    }
    let flags = Flags {
        runtime: flags,
        log: Some(daemon.log()),
    };
    let document = documents.runtime.as_ref();
    let runtime = config::runtime(defaults, document, flags, &mut problems);
    match (problems.none(), kubelet) {
        (Ok(()), Ok(kubelet)) => Ok(Configured { runtime, kubelet }),
        (Err(problems), Err(more)) => Err(format!("{problems}\n{more}").into()),
        (Err(problems), Ok(_)) => Err(problems.into()),
        (Ok(()), Err(problems)) => Err(problems.into()),
    }
}

async fn up(
    layout: &Layout,
    arguments: UpArguments,
    configured: Configured,
    mut beside: Beside<'_>,
) -> Outcome {
    let told_to_end = signals::told_to_end()?;
    let cgroup_root = kubelet::cgroup_root(&configured.kubelet);
    let cgroup_parent = configured.runtime.cgroup_parent.clone();
    let driver = configured.runtime.cgroup_driver;
    let (mut runtime, network) = runtime::start(layout, configured.runtime).await?;
    wait_for_socket(&layout.socket(), &mut runtime).await?;
    let at_end = if arguments.end_pods_on_exit {
        AtEnd::EndPods
    } else {
        AtEnd::LeavePods
    };
    let (flags, loaded) = (arguments.kubelet, &configured.kubelet);
    let mut kubelet = kubelet::start(layout, flags, loaded, &layout.socket(), at_end)?;
    beside.service.ready(layout);
    let socket = layout.socket();
    let patient = Patient {
        socket: Some(&socket),
        kubelet: Some(layout),
    };

    // Whatever comes first; the others are joined or leave with the process.
    tokio::select! {
        () = beside.attend(&patient) => {}
        () = told_to_end.cancelled() => {}
        ended = runtime.ended() => return Err(ended.into()),
        ended = kubelet.ended() => return Err(ended.into()),
    }
    beside.service.stopping();
    kubelet.stop().await?;
    if arguments.end_pods_on_exit {
        end_other_pods(&layout.socket()).await?;
    }
    runtime.stop().await?;
    if arguments.end_pods_on_exit {
        network.tear_down()?;
        cgroups::remove_empty(driver, &cgroup_root);
        cgroups::remove_empty(driver, &cgroup_parent);
    }
    Ok(())
}

async fn runtime_alone(
    layout: &Layout,
    configured: RuntimeConfiguration,
    mut beside: Beside<'_>,
) -> Outcome {
    let told_to_end = signals::told_to_end()?;
    let (mut runtime, _) = runtime::start(layout, configured).await?;
    wait_for_socket(&layout.socket(), &mut runtime).await?;
    beside.service.ready(layout);
    let socket = layout.socket();
    let patient = Patient {
        socket: Some(&socket),
        kubelet: None,
    };
    tokio::select! {
        () = beside.attend(&patient) => {}
        () = told_to_end.cancelled() => {}
        ended = runtime.ended() => return Err(ended.into()),
    }
    beside.service.stopping();
    Ok(runtime.stop().await?)
}

async fn kubelet_alone(
    layout: &Layout,
    arguments: KubeletArguments,
    loaded: &Loaded,
    mut beside: Beside<'_>,
) -> Outcome {
    let told_to_end = signals::told_to_end()?;
    let socket = loaded
        .runtime_endpoint()
        .map_or_else(|| layout.socket(), settings::socket);
    let at_end = AtEnd::LeavePods;
    let mut kubelet = kubelet::start(layout, arguments.kubelet, loaded, &socket, at_end)?;
    beside.service.ready(layout);
    let patient = Patient {
        socket: None,
        kubelet: Some(layout),
    };
    tokio::select! {
        () = beside.attend(&patient) => {}
        () = told_to_end.cancelled() => {}
        ended = kubelet.ended() => return Err(ended.into()),
    }
    beside.service.stopping();
    Ok(kubelet.stop().await?)
}

/// Waits until the runtime takes connections, or has ended.
async fn wait_for_socket(socket: &Path, runtime: &mut Part) -> Outcome {
    let answers = async {
        while cri::connect(socket).await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = answers => Ok(()),
        ended = runtime.ended() => Err(ended.into()),
    }
}

/// The kubelet has ended its own pods; what is left came from other clients of the socket.
async fn end_other_pods(socket: &Path) -> Outcome {
    let ended = cri::end_pods(cri::connect(socket).await?).await?;
    if ended > 0 {
        tracing::info!(pods = ended, "ended the pods of other clients");
    }
    Ok(())
}
