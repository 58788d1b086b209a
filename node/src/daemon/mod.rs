//! The daemons: runtime and kubelet, together or each alone.
//!
//! ```text
//! settings (pure) ─► up ─┬─► podling_runtime::app   serves the CRI socket
//!                        └─► podling_kubelet::app   talks to it
//! signal ─► stop the kubelet (its pods first?) ─► stop the runtime ─► take the network down?
//! ```
//!
//! Without `--end-pods-on-exit` a daemon that ends leaves its pods as a crash would: they go on, and
//! the next daemon of the same root takes them over.

mod cgroups;
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
use part::Part;

/// Between two looks at a socket that is about to be there.
const PAUSE: Duration = Duration::from_millis(5);

type Outcome = Result<(), Box<dyn Error>>;

/// Runs a daemon until it is told to end.
pub(crate) async fn run(layout: &Layout, daemon: Daemon) -> Outcome {
    match daemon {
        Daemon::Up(arguments) => up(layout, arguments).await,
        Daemon::Runtime(arguments) => runtime_alone(layout, &arguments).await,
        Daemon::Kubelet(arguments) => kubelet_alone(layout, arguments).await,
    }
}

async fn up(layout: &Layout, arguments: UpArguments) -> Outcome {
    logging::start(arguments.runtime.log.verbose);
    let told_to_end = signals::told_to_end()?;
    let cgroup_root = arguments.kubelet.cgroup_root.clone();
    let (mut runtime, network) = runtime::start(layout, &arguments.runtime, &cgroup_root).await?;
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
    }
    Ok(())
}

async fn runtime_alone(layout: &Layout, arguments: &RuntimeArguments) -> Outcome {
    logging::start(arguments.log.verbose);
    let told_to_end = signals::told_to_end()?;
    let parent = runtime::DEFAULT_CGROUP_PARENT;
    let (mut runtime, _) = runtime::start(layout, arguments, parent).await?;
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
