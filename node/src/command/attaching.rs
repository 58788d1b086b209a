//! Attaching to a container that was just made: what it has said already comes first, and one that has
//! ended by then is read from its log.

use super::attach::attach;
use super::output;
use super::target::Target;
use crate::args::NewContainer;
use crate::kubelet::{Kubelet, KubeletError, LogQuery, next_chunk, pod};
use crate::session::{Ending, Wishes, is_terminal};

/// Whom to attach to, and how.
pub(super) struct Attaching<'a> {
    pub(super) namespace: &'a str,
    pub(super) pod: &'a str,
    pub(super) container: &'a str,
    pub(super) new: &'a NewContainer,
}

/// Attaches to a container that runs; prints the log of one that has ended.
pub(super) async fn attach_or_print(
    kubelet: &Kubelet,
    attaching: &Attaching<'_>,
) -> Result<Ending, Box<dyn std::error::Error>> {
    let pods = kubelet.pods().await?;
    let pod = pod::find(&pods, attaching.namespace, attaching.pod)?;
    if pod.running_id(attaching.container).is_err() {
        print_log(kubelet, attaching).await?;
        return Ok(Ending::Success);
    }
    let new = attaching.new;
    let has_terminal = is_terminal();
    if new.tty && !has_terminal {
        eprintln!("Unable to use a TTY - input is not a terminal or the right kind of file");
    }
    let wishes = Wishes {
        stdin: new.stdin,
        tty: new.tty && has_terminal,
    };
    if wishes.tty && !new.quiet {
        eprintln!("If you don't see a command prompt, try pressing enter.");
    }
    print_log(kubelet, attaching).await?;
    let target = Target {
        pod: pod.clone(),
        container: attaching.container.to_owned(),
    };
    match attach(kubelet, &target, wishes).await {
        Ok(ending) => Ok(ending),
        // It may have ended between the look and the call.
        Err(error) => {
            let pod = attaching.pod;
            eprintln!(
                "warning: couldn't attach to pod/{pod}, falling back to streaming logs: {error}"
            );
            print_log(kubelet, attaching).await?;
            Ok(Ending::Success)
        }
    }
}

async fn print_log(kubelet: &Kubelet, attaching: &Attaching<'_>) -> Result<(), KubeletError> {
    let query = LogQuery {
        namespace: attaching.namespace.to_owned(),
        pod: attaching.pod.to_owned(),
        container: attaching.container.to_owned(),
        ..LogQuery::default()
    };
    let mut answer = kubelet.logs(&query).await?;
    while let Some(chunk) = next_chunk(&mut answer)
        .await
        .map_err(KubeletError::Answer)?
    {
        // What cannot be written is not read.
        let _ = output::write(&chunk);
    }
    Ok(())
}
