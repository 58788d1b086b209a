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
mod logging;
mod part;
mod programs;
mod ready;
mod runtime;
mod settings;
mod signals;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use podling_kubelet::app::AtEnd;
use podling_runtime::layout::Layout;

use crate::args::{Daemon, KubeletArguments, RuntimeArguments, UpArguments};
use crate::cri;
use config::{Problem, Problems, RuntimeConfiguration};
use part::Part;

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
    match daemon {
        Daemon::Up(arguments) => up(layout, arguments, configured).await,
        Daemon::Runtime(arguments) => runtime_alone(layout, &arguments, configured).await,
        Daemon::Kubelet(arguments) => kubelet_alone(layout, arguments).await,
    }
}

/// What the file and the flags make of the defaults, or everything that is wrong with them.
fn configure(layout: &Layout, daemon: &Daemon) -> Result<RuntimeConfiguration, Problems> {
    let (documents, mut problems) = config::read(layout, daemon.config());
    let (flags, cgroup_parent) = match daemon {
        Daemon::Up(up) => (Some(&up.runtime), up.kubelet.cgroup_root.as_str()),
        Daemon::Runtime(runtime) => (Some(runtime), runtime::DEFAULT_CGROUP_PARENT),
        Daemon::Kubelet(_) => (None, runtime::DEFAULT_CGROUP_PARENT),
    };
    let defaults = RuntimeConfiguration::defaults(layout, cgroup_parent);
    let runtime = config::runtime(defaults, documents.runtime.as_ref(), flags, &mut problems);
    let has_kubelet = !matches!(daemon, Daemon::Runtime(_));
    if let Some(document) = documents.kubelet.filter(|_| has_kubelet) {
        problems.all.push(Problem::File {
            line: document.first_line,
            message: "a KubeletConfiguration is not honoured yet: use flags".to_owned(),
        });
    }
    problems.none().map(|()| runtime)
}

async fn up(layout: &Layout, arguments: UpArguments, configured: RuntimeConfiguration) -> Outcome {
    logging::start(arguments.runtime.log.verbose);
    let told_to_end = signals::told_to_end()?;
    let cgroup_root = arguments.kubelet.cgroup_root.clone();
    let cgroup_parent = configured.cgroup_parent.clone();
    let (mut runtime, network) = runtime::start(layout, configured).await?;
    wait_for_socket(&layout.socket(), &mut runtime).await?;
    let at_end = if arguments.end_pods_on_exit {
        AtEnd::EndPods
    } else {
        AtEnd::LeavePods
    };
    let mut kubelet = kubelet::start(layout, arguments.kubelet, &layout.socket(), at_end)?;
    ready::announce(layout);

    // Whatever comes first; the others are joined or leave with the process.
    tokio::select! {
        () = told_to_end.cancelled() => {}
        ended = runtime.ended() => return Err(ended.into()),
        ended = kubelet.ended() => return Err(ended.into()),
    }
    ready::announce_end();
    kubelet.stop().await?;
    if arguments.end_pods_on_exit {
        end_other_pods(&layout.socket()).await?;
    }
    runtime.stop().await?;
    if arguments.end_pods_on_exit {
        network.tear_down()?;
        cgroups::remove_empty(&cgroup_root);
        cgroups::remove_empty(&cgroup_parent);
    }
    Ok(())
}

async fn runtime_alone(
    layout: &Layout,
    arguments: &RuntimeArguments,
    configured: RuntimeConfiguration,
) -> Outcome {
    logging::start(arguments.log.verbose);
    let told_to_end = signals::told_to_end()?;
    let (mut runtime, _) = runtime::start(layout, configured).await?;
    wait_for_socket(&layout.socket(), &mut runtime).await?;
    ready::announce(layout);
    tokio::select! {
        () = told_to_end.cancelled() => {}
        ended = runtime.ended() => return Err(ended.into()),
    }
    ready::announce_end();
    Ok(runtime.stop().await?)
}

async fn kubelet_alone(layout: &Layout, arguments: KubeletArguments) -> Outcome {
    logging::start(arguments.log.verbose);
    let told_to_end = signals::told_to_end()?;
    let endpoint = arguments.container_runtime_endpoint;
    let socket = endpoint.map_or_else(|| layout.socket(), |text| settings::socket(&text));
    let mut kubelet = kubelet::start(layout, arguments.kubelet, &socket, AtEnd::LeavePods)?;
    ready::announce(layout);
    tokio::select! {
        () = told_to_end.cancelled() => {}
        ended = kubelet.ended() => return Err(ended.into()),
    }
    ready::announce_end();
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
