//! `podling exec`: through ExecSync, so output comes when the command has ended.

use std::io::{self, Write};
use std::process::ExitCode;

use podling_runtime::layout::Layout;

use super::logs::chosen_container;
use super::{Outcome, output};
use crate::args::ExecArguments;
use crate::cri;
use crate::kubelet::{Kubelet, pod};

pub(super) async fn run(layout: &Layout, arguments: ExecArguments) -> Outcome {
    let pods = Kubelet::of(layout)?.pods().await?;
    let pod = pod::find(&pods, &arguments.namespace.namespace, &arguments.pod)?;
    let container = chosen_container(pod, arguments.container.as_deref())?;
    let id = pod.running_id(container)?;

    let channel = cri::connect(&layout.socket()).await?;
    let result = cri::exec_sync(channel, id, arguments.command, arguments.timeout).await?;
    output::write(&result.stdout)?;
    io::stderr().write_all(&result.stderr)?;
    if result.exit_code != 0 {
        eprintln!("command terminated with exit code {}", result.exit_code);
    }
    // A code that does not fit into this process's own is a plain failure.
    Ok(u8::try_from(result.exit_code).map_or(ExitCode::FAILURE, ExitCode::from))
}
