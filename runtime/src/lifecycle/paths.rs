//! Small things that several steps need: a cgroup's path, what a runtime handler means, and work that
//! blocks.

use super::error::{BoxError, LifecycleError};
use super::parts::Parts;
use crate::cgroup::CgroupPath;
use crate::handler::UnknownHandler;
use crate::model::{SandboxConfig, SandboxId, SandboxRecord};
use crate::monitor::protocol::OciLaunch;
use crate::spec::HostFacts;

/// Cgroup of the sandbox (`name` is its id) or of one of its containers.
pub(super) fn cgroup(
    parts: &Parts,
    sandbox: &SandboxRecord,
    name: &str,
) -> Result<CgroupPath, LifecycleError> {
    // Versions that did not write it knew no other driver.
    let parent = sandbox.cgroup_parent.as_deref();
    let parent = parent.unwrap_or_else(|| named_parent(parts, &sandbox.config));
    CgroupPath::new(parent, name).map_err(|error| LifecycleError::Invalid(error.to_string()))
}

/// The cgroup below which a sandbox is to be made.
pub(super) fn cgroup_parent(
    parts: &Parts,
    config: &SandboxConfig,
    id: &SandboxId,
) -> Result<String, LifecycleError> {
    let place = parts
        .cgroup_driver
        .place(named_parent(parts, config), id.as_str());
    place.map_err(|error| LifecycleError::Invalid(error.to_string()))
}

fn named_parent<'a>(parts: &'a Parts, config: &'a SandboxConfig) -> &'a str {
    match config.cgroup_parent.as_str() {
        "" => &parts.default_cgroup_parent,
        given => given,
    }
}

/// The cgroup that a client has named as the pod's parent, as it is itself.
pub(super) fn client_cgroup(parent: &str) -> Option<CgroupPath> {
    let path = match podling_systemd::is_slice(parent) {
        true => podling_systemd::path_of_slice(parent).ok()?,
        false => parent.trim_end_matches('/').to_owned(),
    };
    let (above, name) = path.rsplit_once('/')?;
    CgroupPath::new(&format!("{above}/"), name).ok()
}

/// The machine as containers of the sandbox find it.
pub(super) fn host(parts: &Parts, sandbox: &SandboxRecord) -> Result<HostFacts, LifecycleError> {
    let seen = parts
        .handlers
        .host(&sandbox.config.runtime_handler, &parts.host);
    seen.map_err(unknown_handler)
}

/// What makes the containers of the sandbox, if that is not podling itself.
pub(super) fn oci_launch(
    parts: &Parts,
    sandbox: &SandboxRecord,
) -> Result<Option<OciLaunch>, LifecycleError> {
    let runtime = parts.handlers.runtime(&sandbox.config.runtime_handler);
    Ok(runtime.map_err(unknown_handler)?.map(|runtime| OciLaunch {
        runtime: runtime.clone(),
        state: parts.layout.oci_state_dir(&sandbox.id),
        cgroup_dirs: Vec::new(),
    }))
}

fn unknown_handler(error: UnknownHandler) -> LifecycleError {
    LifecycleError::Invalid(error.to_string())
}

/// Runs what may block for longer than a small write on a thread made for it.
pub(super) async fn blocking<T, E>(
    attempted: String,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, LifecycleError>
where
    T: Send + 'static,
    E: Into<BoxError> + Send + 'static,
{
    let call = tracing::Span::current();
    match tokio::task::spawn_blocking(move || call.in_scope(work)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(LifecycleError::failed(attempted, error)),
        Err(panicked) => Err(LifecycleError::failed(attempted, panicked)),
    }
}
