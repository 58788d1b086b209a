//! Making a container with an OCI runtime that is on the machine, in place of libcontainer.
//!
//! ```text
//! spec::adjust ─► stage (namespace B alone) ─► runtime create ─► checks ─► runtime start
//!                                                   │               └ its process is ours to watch?
//!                                the container's process: joins the pod's namespaces by their paths,
//!                                is moved into its cgroup, becomes the monitor's child
//! ```
//!
//! The runtime gets the container's streams as its own and hands them on. It dies with this process. Its
//! state lies below the pod's run directory until the container is removed, and is forgotten by its own
//! `delete`; after a failure that is done here.

mod complaint;
mod process;
mod runtime;
mod spec;

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use oci_spec::runtime::Spec;

use crate::model::ContainerId;
use crate::monitor::protocol::{LaunchFailure, LaunchRequest, LaunchStage, OciLaunch};
use crate::sys::process::{kill, open};

use self::runtime::Runtime;
pub(super) use self::spec::{Facts, adjust, id_maps};
use super::console::Console;
use super::create::Started;
use super::failure::{failed, failure};
use super::{stage::Stage, verify};

/// A container to be made.
pub(super) struct Creation<'a> {
    pub(super) id: &'a ContainerId,
    pub(super) spec: &'a Spec,
    pub(super) stage: &'a Stage,
    pub(super) streams: [OwnedFd; 3],
}

/// Makes it and starts it with the runtime of its handler.
pub(super) fn run(
    launch: &OciLaunch,
    request: &LaunchRequest,
    creation: Creation<'_>,
) -> Result<Started, LaunchFailure> {
    let failed_at = |what| failed::<io::Error>(LaunchStage::Create, what);
    let scratch = &creation.stage.scratch;
    let console = match request.tty {
        true => Some(Console::listen(scratch).map_err(failed_at("console socket"))?),
        false => None,
    };
    write_bundle(scratch, creation.spec)?;
    let runtime = Runtime {
        launch,
        id: creation.id,
        scratch,
    };
    let console_path = console.as_ref().map(Console::path);
    let made = runtime
        .create(console_path, creation.streams)
        .and_then(|pid| finish(&runtime, pid, creation.spec, creation.stage, console));
    if made.is_err() {
        runtime.delete();
    }
    made
}

/// From a process that waits in its container to one that executes its program.
fn finish(
    runtime: &Runtime<'_>,
    pid: i32,
    spec: &Spec,
    stage: &Stage,
    console: Option<Console>,
) -> Result<Started, LaunchFailure> {
    process::check(pid, &stage.rootfs).map_err(|why| {
        let runtime = &runtime.launch.runtime;
        let (name, program) = (&runtime.name, runtime.program.display());
        let what = format!("runtime handler {name:?}: {program} made a process that {why}");
        failure(LaunchStage::Verify, what)
    })?;
    let started = verify::protected_paths(pid, spec)
        .and_then(|()| {
            let terminal = console.map(|console| console.master(pid)).transpose();
            terminal.map_err(failed(LaunchStage::Create, "terminal"))
        })
        .and_then(|terminal| runtime.start().map(|()| terminal));
    match started {
        Ok(terminal) => Ok(Started { pid, terminal }),
        Err(failure) => {
            if let Ok(pidfd) = open(pid) {
                let _ = kill(pidfd.as_fd());
            }
            Err(failure)
        }
    }
}

fn write_bundle(scratch: &Path, spec: &Spec) -> Result<(), LaunchFailure> {
    let json = serde_json::to_vec(spec)
        .map_err(|error| failure(LaunchStage::Spec, format!("writing the spec: {error}")))?;
    fs::write(scratch.join("config.json"), json).map_err(failed(LaunchStage::Create, "bundle"))
}
