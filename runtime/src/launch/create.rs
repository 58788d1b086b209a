//! Calling libcontainer: the one place that does.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use oci_spec::runtime::Spec;

use crate::monitor::protocol::{LaunchFailure, LaunchStage};
use crate::sys::process;

use super::complaints::Complaints;
use super::console::Console;
use super::executor::{self, Failures, LastSteps, PodExecutor};
use super::failure::{chain, failed, failure};
use super::verify;

/// A container to be created.
#[derive(Debug)]
pub(super) struct Creation<'a> {
    /// Its id.
    pub(super) id: &'a str,
    /// Its adjusted spec.
    pub(super) spec: &'a Spec,
    /// An empty directory for the bundle and for libcontainer's state.
    pub(super) scratch: &'a Path,
    /// Its stdin, stdout and stderr.
    pub(super) streams: [OwnedFd; 3],
    /// What the executor does before its program is executed.
    pub(super) last_steps: LastSteps,
}

/// A container whose program has been executed.
#[derive(Debug)]
pub(super) struct Started {
    /// Its pid.
    pub(super) pid: i32,
    /// The master of its terminal, if it has one.
    pub(super) terminal: Option<OwnedFd>,
}

/// Creates and starts it.
pub(super) fn run(
    creation: Creation<'_>,
    complaints: &Complaints,
) -> Result<Started, LaunchFailure> {
    let spec = creation.spec;
    let console = console(&creation)?;
    let (executor, failures) = executor::pair(creation.last_steps.clone())
        .map_err(failed(LaunchStage::Create, "failure pipe"))?;
    let mut container = create(creation, console.as_ref(), executor, &failures, complaints)?;
    let pid = container.pid().map_or(0, |pid| pid.as_raw());
    let started = verify::protected_paths(pid, spec).and_then(|()| {
        let terminal = console.map(|console| console.master(pid)).transpose();
        let terminal = terminal.map_err(failed(LaunchStage::Create, "terminal"))?;
        container.start().map_err(|error| {
            failures
                .reported()
                .unwrap_or_else(|| failure(LaunchStage::Create, chain(&error)))
        })?;
        // The pipe ends when the program is executed, or when the process dies.
        failures.wait().map_or(Ok(terminal), Err)
    });
    match started {
        Ok(terminal) => Ok(Started { pid, terminal }),
        Err(failure) => {
            if let Ok(pidfd) = process::open(pid) {
                let _ = process::kill(pidfd.as_fd());
            }
            Err(failure)
        }
    }
}

/// Where the terminal comes from, if the spec asks for one.
fn console(creation: &Creation<'_>) -> Result<Option<Console>, LaunchFailure> {
    let process = creation.spec.process().as_ref();
    match process.and_then(|process| process.terminal()) {
        Some(true) => Console::listen(creation.scratch)
            .map(Some)
            .map_err(failed(LaunchStage::Create, "console socket")),
        _ => Ok(None),
    }
}

fn create(
    creation: Creation<'_>,
    console: Option<&Console>,
    executor: PodExecutor,
    failures: &Failures,
    complaints: &Complaints,
) -> Result<Container, LaunchFailure> {
    let failed_at = |what| failed::<std::io::Error>(LaunchStage::Create, what);
    let (bundle, state) = (
        creation.scratch.join("bundle"),
        creation.scratch.join("state"),
    );
    for dir in [&bundle, &state] {
        fs::create_dir(dir).map_err(failed_at("bundle"))?;
    }
    let json = serde_json::to_vec(creation.spec)
        .map_err(|error| failure(LaunchStage::Spec, format!("writing the spec: {error}")))?;
    fs::write(bundle.join("config.json"), json).map_err(failed_at("bundle"))?;
    let [stdin, stdout, stderr] = creation.streams;
    let builder = ContainerBuilder::new(creation.id.to_owned(), SyscallType::default())
        .with_executor(executor)
        .with_console_socket(console.map(Console::path))
        .with_stdin(stdin)
        .with_stdout(stdout)
        .with_stderr(stderr);
    let built = builder.with_root_path(&state).and_then(|builder| {
        builder
            .as_init(&bundle)
            .with_systemd(false)
            .with_detach(true)
            .as_sibling(true)
            .build()
    });
    built.map_err(|error| {
        failures.reported().unwrap_or_else(|| {
            failure(
                LaunchStage::Create,
                described(&chain(&error), &complaints.text(), creation.spec),
            )
        })
    })
}

/// libcontainer's error in words that help, with what its processes complained about.
fn described(error: &str, complaints: &str, spec: &Spec) -> String {
    let cwd = spec
        .process()
        .as_ref()
        .map(|process| process.cwd().display().to_string());
    if let (Some(line), Some(cwd)) = (find(complaints, "failed to chdir"), cwd) {
        let reason = line.split("e=").nth(1).unwrap_or(line);
        return format!("chdir to cwd ({cwd:?}) failed: {reason}");
    }
    let details: Vec<&str> = complaints
        .lines()
        .filter(|line| !error.contains(line))
        .collect();
    match details.is_empty() {
        true => error.to_owned(),
        false => format!("{error} [{}]", details.join(" | ")),
    }
}

fn find<'a>(complaints: &'a str, what: &str) -> Option<&'a str> {
    complaints.lines().find(|line| line.contains(what))
}
