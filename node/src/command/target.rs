//! The pod and the container that are meant.

use crate::args::StreamsArguments;
use crate::kubelet::pod::{self, ChoiceError, Pod};
use crate::kubelet::{Kubelet, KubeletError, Path};
use crate::session::{Wishes, is_terminal};

/// Why nothing was found to stream with.
#[derive(Debug, thiserror::Error)]
pub(super) enum TargetError {
    /// The kubelet did not say what there is.
    #[error(transparent)]
    Kubelet(#[from] KubeletError),
    /// It is not there, or does not run.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
}

/// A container that runs.
pub(super) struct Target {
    /// Its pod.
    pub(super) pod: Pod,
    /// Its name.
    pub(super) container: String,
}

impl Target {
    /// What is meant by arguments; it runs.
    pub(super) async fn find(
        kubelet: &Kubelet,
        arguments: &StreamsArguments,
    ) -> Result<Self, TargetError> {
        let pods = kubelet.pods().await?;
        let pod = pod::find(&pods, &arguments.namespace.namespace, &arguments.pod)?;
        let named = arguments.container.as_deref();
        let container = match arguments.quiet {
            true => pod.container(named)?,
            false => chosen_container(pod, named)?,
        };
        // Tells what is the matter when it does not run.
        pod.running_id(container)?;
        Ok(Self {
            container: container.to_owned(),
            pod: pod.clone(),
        })
    }

    /// Where the kubelet streams with it: `exec` or `attach`.
    pub(super) fn path(&self, verb: &str) -> Path {
        let pod = &self.pod;
        Path::of([verb, pod.namespace(), pod.name(), &self.container])
    }
}

/// The container that is meant; says which when several could have been.
pub(super) fn chosen_container<'a>(
    pod: &'a Pod,
    named: Option<&str>,
) -> Result<&'a str, ChoiceError> {
    let container = pod.container(named)?;
    let all = pod.container_names();
    if named.is_none() && all.len() > 1 {
        eprintln!(
            "Defaulted container {container:?} out of: {}",
            all.join(", ")
        );
    }
    Ok(container)
}

/// A terminal is only passed on with its input, and when there is one.
pub(super) fn wishes(arguments: &StreamsArguments) -> Wishes {
    let StreamsArguments { stdin, tty, .. } = *arguments;
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
