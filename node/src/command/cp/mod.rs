//! `podling cp`: files into containers and out of them, by `tar` in the container.
//!
//! ```text
//! here:  pack ─► tar ─► exec ─► tar -xmf - -C DIR
//! there: tar cf - PATH ─► exec ─► unpack (what leads elsewhere is passed over)
//! ```

mod pack;
mod place;
mod unpack;

use std::path::Path as FilePath;
use std::process::ExitCode;

use podling_runtime::layout::Layout;

use super::Outcome;
use super::target::Target;
use crate::args::{CpArguments, NamespaceArguments, StreamsArguments};
use crate::kubelet::Kubelet;
use crate::session::transfer::{self, Inlet, Outlet, pipe};
use crate::session::{self, Ending};
use place::{Place, There};

type Failure = Box<dyn std::error::Error>;

pub(super) async fn run(layout: &Layout, arguments: CpArguments) -> Outcome {
    let kubelet = Kubelet::of(layout);
    let ending = match (
        arguments.from.parse::<Place>()?,
        arguments.to.parse::<Place>()?,
    ) {
        (Place::There(_), Place::There(_)) => {
            return Err("one of src or dest must be a local file specification".into());
        }
        (Place::Here(_), Place::Here(_)) => {
            return Err("one of src or dest must be a remote file specification".into());
        }
        (Place::Here(from), Place::There(to)) => {
            let container = container(&kubelet, &to, &arguments).await?;
            send(&kubelet, &container, &from, &to, &arguments).await?
        }
        (Place::There(from), Place::Here(to)) => {
            let container = container(&kubelet, &from, &arguments).await?;
            fetch(&kubelet, &container, &from, &to).await?
        }
    };
    match ending {
        Ending::Success => Ok(ExitCode::SUCCESS),
        other => Ok(other.exit_code()),
    }
}

/// The container that is meant; it runs.
async fn container(
    kubelet: &Kubelet,
    there: &There,
    arguments: &CpArguments,
) -> Result<Target, Failure> {
    let namespace = there.namespace.clone();
    let namespace = namespace.unwrap_or_else(|| arguments.namespace.namespace.clone());
    let arguments = StreamsArguments {
        pod: there.pod.clone(),
        namespace: NamespaceArguments { namespace },
        container: arguments.container.clone(),
        stdin: false,
        tty: false,
        quiet: false,
    };
    Ok(Target::find(kubelet, &arguments).await?)
}

async fn send(
    kubelet: &Kubelet,
    container: &Target,
    from: &FilePath,
    to: &There,
    arguments: &CpArguments,
) -> Result<Ending, Failure> {
    if !from.exists() {
        return Err(format!("{} doesn't exist in local filesystem", from.display()).into());
    }
    let is_directory = exec(kubelet, container, &["test", "-d", &to.path], None, None).await?;
    let to = match is_directory {
        Ending::Success => place::joined(&to.path, from)?,
        _ => to.path.clone(),
    };
    let (directory, name) = place::split(&to);
    let mut command = vec!["tar"];
    if arguments.no_preserve {
        command.extend(["--no-same-permissions", "--no-same-owner"]);
    }
    command.extend(["-xmf", "-", "-C", &directory]);
    let (inlet, outlet) = pipe();
    let from = from.to_owned();
    let packing = tokio::task::spawn_blocking(move || pack::pack(&from, &name, inlet));
    let ending = exec(kubelet, container, &command, Some(outlet), None).await?;
    let packed = packing.await?;
    match ending {
        // What has ended early says itself why.
        Ending::Success => packed.map(|()| Ending::Success).map_err(Failure::from),
        ending => Ok(ending),
    }
}

async fn fetch(
    kubelet: &Kubelet,
    container: &Target,
    from: &There,
    to: &FilePath,
) -> Result<Ending, Failure> {
    let (inlet, outlet) = pipe();
    let (prefix, to) = (place::prefix(&from.path), to.to_owned());
    let unpacking = tokio::task::spawn_blocking(move || unpack::unpack(outlet, &prefix, &to));
    let command = ["tar", "cf", "-", &from.path];
    let ending = exec(kubelet, container, &command, None, Some(inlet)).await?;
    let warnings = unpacking.await??;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    Ok(ending)
}

/// Runs a command whose input and output are pipes of ours.
async fn exec(
    kubelet: &Kubelet,
    container: &Target,
    command: &[&str],
    input: Option<Outlet>,
    output: Option<Inlet>,
) -> Result<Ending, Failure> {
    let words = command.iter();
    let path = words.fold(container.path("exec"), |path, word| {
        path.with("command", word)
    });
    let path = path
        .with_some("input", input.is_some().then_some("1"))
        .with("output", "1")
        .with("error", "1");
    let stream = kubelet.stream(&path, session::PROTOCOL).await?;
    let output = output.unwrap_or_else(|| pipe().0);
    Ok(transfer::run(stream, input, output).await?)
}
