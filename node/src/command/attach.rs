//! `podling attach`: the process of a container itself.

use podling_runtime::layout::Layout;

use super::Outcome;
use super::exec::{streams, wishes};
use super::logs::chosen_container;
use crate::args::AttachArguments;
use crate::kubelet::{Kubelet, Path, pod};
use crate::session;

pub(super) async fn run(layout: &Layout, arguments: &AttachArguments) -> Outcome {
    let kubelet = Kubelet::of(layout);
    let pods = kubelet.pods().await?;
    let pod = pod::find(&pods, &arguments.namespace.namespace, &arguments.pod)?;
    let container = chosen_container(pod, arguments.container.as_deref())?;
    pod.running_id(container)?;

    let mut wishes = wishes(arguments.stdin, arguments.tty);
    if wishes.tty && !pod.has_tty(container) {
        eprintln!("Unable to use a TTY - container {container} did not allocate one");
        wishes.tty = false;
    }
    if wishes.stdin && wishes.tty {
        eprintln!("If you don't see a command prompt, try pressing enter.");
    }
    let path = Path::of(["attach", pod.namespace(), pod.name(), container]);
    // What the container's terminal says comes as output, whoever listens.
    let path = if pod.has_tty(container) && !wishes.tty {
        streams(
            path,
            session::Wishes {
                tty: true,
                ..wishes
            },
        )
    } else {
        streams(path, wishes)
    };
    let stream = kubelet.stream(&path, session::PROTOCOL).await?;
    Ok(session::run(stream, wishes).await?.exit_code())
}
