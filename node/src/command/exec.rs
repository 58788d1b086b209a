//! `podling exec`: a command in a container, with this process's input, output and terminal.

use podling_runtime::layout::Layout;

use super::Outcome;
use super::logs::chosen_container;
use crate::args::ExecArguments;
use crate::kubelet::{Kubelet, Path, pod};
use crate::session::{self, Wishes, is_terminal};

pub(super) async fn run(layout: &Layout, arguments: ExecArguments) -> Outcome {
    let kubelet = Kubelet::of(layout);
    let pods = kubelet.pods().await?;
    let pod = pod::find(&pods, &arguments.namespace.namespace, &arguments.pod)?;
    let container = chosen_container(pod, arguments.container.as_deref())?;
    // Tells what is the matter when it does not run.
    pod.running_id(container)?;

    let wishes = wishes(arguments.stdin, arguments.tty);
    let path = Path::of(["exec", pod.namespace(), pod.name(), container]);
    let command = arguments.command.iter();
    let path = command.fold(path, |path, word| path.with("command", word));
    let stream = kubelet
        .stream(&streams(path, wishes), session::PROTOCOL)
        .await?;
    Ok(session::run(stream, wishes).await?.exit_code())
}

/// A terminal is only passed on with its input, and when there is one.
pub(super) fn wishes(stdin: bool, tty: bool) -> Wishes {
    let has_terminal = is_terminal();
    if stdin && tty && !has_terminal {
        eprintln!("Unable to use a TTY - input is not a terminal or the right kind of file");
    }
    Wishes {
        stdin,
        tty: stdin && tty && has_terminal,
    }
}

/// The streams that are wanted; a terminal has no stream for errors.
pub(super) fn streams(path: Path, wishes: Wishes) -> Path {
    let on = |is_on: bool| is_on.then_some("1");
    path.with_some("input", on(wishes.stdin))
        .with("output", "1")
        .with_some("error", on(!wishes.tty))
        .with_some("tty", on(wishes.tty))
}
