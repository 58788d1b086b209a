//! `podling attach`: the process of a container itself.

use podling_runtime::layout::Layout;

use super::Outcome;
use super::target::{Target, streams, wishes};
use crate::args::StreamsArguments;
use crate::kubelet::Kubelet;
use crate::session::{self, Ending, Wishes};

pub(super) async fn run(layout: &Layout, arguments: &StreamsArguments) -> Outcome {
    let kubelet = Kubelet::of(layout);
    let target = Target::find(&kubelet, arguments).await?;
    let mut wishes = wishes(arguments);
    if wishes.tty && !target.pod.has_tty(&target.container) {
        eprintln!(
            "Unable to use a TTY - container {} did not allocate one",
            target.container
        );
        wishes.tty = false;
    }
    let hint = !arguments.quiet && wishes.stdin && wishes.tty;
    if hint {
        eprintln!("If you don't see a command prompt, try pressing enter.");
    }
    Ok(attach(&kubelet, &target, wishes).await?.exit_code())
}

/// Attaches, until the container has ended or its input has.
pub(super) async fn attach(
    kubelet: &Kubelet,
    target: &Target,
    wishes: Wishes,
) -> Result<Ending, Box<dyn std::error::Error>> {
    // What the container's terminal says comes as output, whoever listens.
    let tty = target.pod.has_tty(&target.container);
    let path = streams(target.path("attach"), Wishes { tty, ..wishes });
    let stream = kubelet.stream(&path, session::PROTOCOL).await?;
    Ok(session::run(stream, wishes).await?)
}
