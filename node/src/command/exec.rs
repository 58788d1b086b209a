//! `podling exec`: a command in a container, with this process's input, output and terminal.

use podling_runtime::layout::Layout;

use super::Outcome;
use super::target::{Target, streams, wishes};
use crate::args::ExecArguments;
use crate::kubelet::Kubelet;
use crate::session;

pub(super) async fn run(layout: &Layout, arguments: ExecArguments) -> Outcome {
    let kubelet = Kubelet::of(layout);
    let target = Target::find(&kubelet, &arguments.streams).await?;
    let wishes = wishes(&arguments.streams);
    let command = arguments.command.iter();
    let path = command.fold(target.path("exec"), |path, word| path.with("command", word));
    let stream = kubelet
        .stream(&streams(path, wishes), session::PROTOCOL)
        .await?;
    Ok(session::run(stream, wishes).await?.exit_code())
}
