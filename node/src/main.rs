//! The podling command: starts a node, and asks a running one.
//!
//! ```text
//! completion: a shell that asks is answered before anything else
//! args ─► daemon/   up, runtime, kubelet: composes the two libraries
//!     ├─► join/     makes the machine ready for a cluster, and then up
//!     └─► command/  get, logs, exec, pull, images, rmi, import, version
//!     ├─► doctor/   what this machine has and lacks
//!            ├─► cri/      the CRI socket          ┐
//!            └─► kubelet/  the kubelet's socket    ┴─► print/ (pure) ─► stdout
//!                └► session/  streams: a person's terminal and a process
//! ```

mod args;
mod command;
mod completion;
mod cri;
mod daemon;
mod doctor;
mod duration;
mod join;
mod jsonpath;
mod kubelet;
mod print;
mod resource;
mod select;
mod session;
mod upstream_flags;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use podling_runtime::layout::Layout;

use args::{Arguments, Command, Daemon};

fn main() -> ExitCode {
    completion::answer();
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("podling: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let layout = Layout::below(std::path::absolute(arguments.root)?);
    match arguments.command {
        Command::Ask(ask) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(command::run(&layout, ask))
        }
        Command::Join(join) => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(join::prepare(&layout, &join))?;
            if join.no_start {
                join::say_what_is_next();
                return Ok(ExitCode::SUCCESS);
            }
            runtime.block_on(daemon::run(&layout, Daemon::Up(join.up)))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Daemon(daemon) => {
            if let Some(printed) = daemon.version().and_then(command::version_of_kubelet) {
                return printed;
            }
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(daemon::run(&layout, daemon))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// An error and its sources, from what was attempted to why it failed.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
