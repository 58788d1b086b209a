//! A probe that runs a command in the container.

use std::time::Duration;

use super::LONGEST_ANSWER;
use crate::cri::{Containers, ExecOutput};
use crate::model::{ContainerId, ProbeOutcome, in_words};

/// Exit code 0 is good, every other and none in time is bad.
pub(super) async fn probe<C: Containers + ?Sized>(
    runtime: &C,
    id: ContainerId,
    command: Vec<String>,
    timeout: Duration,
) -> ProbeOutcome {
    let line = command.join(" ");
    match runtime.exec_sync(id, command, timeout).await {
        Ok(output) if output.exit_code == 0 => ProbeOutcome::Success,
        Ok(output) => ProbeOutcome::Failure(said(output)),
        Err(error) if error.is_timeout() => {
            let after = in_words(timeout);
            ProbeOutcome::Failure(format!(
                "command timed out: {line:?} timed out after {after}"
            ))
        }
        Err(error) => ProbeOutcome::Error(error.explanation()),
    }
}

fn said(output: ExecOutput) -> String {
    let mut bytes = output.stdout;
    bytes.extend(output.stderr);
    bytes.truncate(LONGEST_ANSWER);
    String::from_utf8_lossy(&bytes).into_owned()
}
