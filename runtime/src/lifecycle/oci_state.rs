//! What an OCI runtime of the machine keeps of a container: forgotten by its own `delete`, as such
//! runtimes want it, once nothing of the container runs.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::bundle;
use super::error::LifecycleError;
use super::parts::Parts;
use super::paths;
use crate::model::handler::OciRuntime;
use crate::model::{ContainerId, SandboxRecord};
use crate::sys::subprocess::{self, Ending, Order, Stop};

/// How long `delete` may take.
const LONGEST_DELETE: Duration = Duration::from_secs(10);

/// Has the runtime forget the containers that it knows of, and removes what it leaves. Idempotent. A runtime
/// that is gone or fails keeps nothing from being removed.
pub(super) async fn delete(
    parts: &Parts,
    sandbox: &SandboxRecord,
    containers: &[ContainerId],
) -> Result<(), LifecycleError> {
    let state = parts.layout.oci_state_dir(&sandbox.id);
    for id in containers {
        let dir = state.join(id.as_str());
        if !dir.exists() {
            continue;
        }
        let launch = bundle::read_launch(&parts.layout.container_dir(id));
        let runtime = launch.ok().and_then(|launch| launch.request.oci);
        let (state, id) = (state.clone(), id.clone());
        let attempted = format!("have the OCI runtime forget container {id}");
        paths::blocking(attempted, move || {
            if let Some(oci) = runtime
                && let Err(why) = run(&oci.runtime, &state, &id)
            {
                let program = oci.runtime.program.display();
                tracing::warn!(container = %id, %program, why, "it could not forget the container");
            }
            remove(&dir)
        })
        .await?;
    }
    Ok(())
}

fn run(runtime: &OciRuntime, state: &Path, id: &ContainerId) -> Result<(), String> {
    let stop = Stop::new().map_err(|error| error.to_string())?;
    let outcome = subprocess::run(&Order {
        program: &runtime.program,
        arguments: &[
            "--root".into(),
            state.into(),
            "delete".into(),
            "--force".into(),
            id.as_str().into(),
        ],
        environment: &[("PATH", subprocess::PATH.to_owned())],
        stdin: b"",
        deadline: Instant::now() + LONGEST_DELETE.min(runtime.time_limit()),
        stop: &stop,
    });
    let outcome = outcome.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&outcome.stderr);
    match outcome.ending {
        Ending::Exited(status) if status.success() => Ok(()),
        Ending::Exited(status) => Err(format!("{status}: {}", said.trim())),
        Ending::TimedOut | Ending::Stopped => Err("it took too long".to_owned()),
    }
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
