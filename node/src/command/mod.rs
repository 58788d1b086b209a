//! The commands that ask a running node: each fetches, then prints what `print` lays out.

mod apply;
mod attach;
mod attaching;
mod bundle;
mod completion;
mod cp;
mod credentials;
mod debug;
mod delete;
mod describe;
mod exec;
mod get;
mod images;
mod import;
mod logs;
mod manifests;
mod output;
mod port_forward;
mod pull;
mod restart;
mod rmi;
mod run;
mod taken_up;
mod target;
mod top;
mod until;
mod version;
mod wait;

use std::error::Error;
use std::process::ExitCode;

use podling_runtime::failpoint;
use podling_runtime::layout::Layout;

use crate::args::{Ask, VersionForm};
use crate::doctor;
pub(crate) use wait::Condition;

/// What a command comes to.
type Outcome = Result<ExitCode, Box<dyn Error>>;

/// Prints the kubelet's version; nothing when that is not asked for.
pub(crate) fn version_of_kubelet(form: VersionForm) -> Option<Outcome> {
    version::of_kubelet(form).map(|text| output::print(&text))
}

/// Runs one.
pub(crate) async fn run(layout: &Layout, command: Ask) -> Outcome {
    match command {
        Ask::Pull(arguments) => pull::run(layout, arguments).await,
        Ask::Images => images::run(layout).await,
        Ask::Rmi { images } => rmi::run(layout, &images).await,
        Ask::Import { archives } => import::run(layout, &archives).await,
        Ask::Get { what } => get::run(layout, what).await,
        Ask::Events(arguments) => get::events(layout, arguments).await,
        Ask::Logs(arguments) => logs::run(layout, &arguments).await,
        Ask::Exec(arguments) => exec::run(layout, arguments).await,
        Ask::Doctor(arguments) => {
            let (text, code) = doctor::run(layout, &arguments).await;
            output::print(&text)?;
            Ok(code)
        }
        Ask::Apply(arguments) => apply::run(layout, &arguments).await,
        Ask::Delete(arguments) => delete::run(layout, &arguments).await,
        Ask::Describe { what } => describe::run(layout, &what).await,
        Ask::Top { what } => top::run(layout, &what).await,
        Ask::Restart(arguments) => restart::run(layout, &arguments).await,
        Ask::Debug(arguments) => debug::run(layout, &arguments).await,
        Ask::Run(arguments) => run::run(layout, arguments).await,
        Ask::Wait(arguments) => wait::run(layout, arguments).await,
        Ask::Cp(arguments) => cp::run(layout, arguments).await,
        Ask::Attach(arguments) => attach::run(layout, &arguments).await,
        Ask::PortForward(arguments) => port_forward::run(layout, &arguments).await,
        Ask::Completion { shell } => completion::run(shell),
        Ask::Version => version::run(layout).await,
        Ask::Bundle { output } => bundle::run(&output),
        Ask::Failpoints => output::print(&format!("{}\n", failpoint::NAMES.join("\n"))),
    }
}
