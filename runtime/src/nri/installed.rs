//! Plugins that are installed: programs named `10-name` that are started with the runtime, each with a
//! socket to it as its stdin, and that end with it.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;

use tokio::net::UnixStream;

use super::plugin::{Identity, IdentityError};
use super::session::{self, Context, Launched};
use crate::sys::{process, subprocess};

/// What a plugin finds its search path to be.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why an installed plugin does not run.
#[derive(Debug, thiserror::Error)]
enum LaunchError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("read {path}", path = path.display())]
    Config { path: PathBuf, source: io::Error },
    #[error("make a socket for it")]
    Socket(#[source] io::Error),
    #[error("start it")]
    Start(#[source] io::Error),
}

/// Starts every program there. One that cannot be started keeps nobody from anything.
///
/// They die with the thread that starts them, so that is one which lives as long as the runtime.
pub(super) fn start_all(programs: &Path, configs: &Path, context: &Context) {
    let found = match found(programs) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => {
            let (path, error) = (programs.display(), &error as &dyn std::error::Error);
            tracing::warn!(%path, error, "installed NRI plugins cannot be found");
            return;
        }
    };
    for program in found {
        if let Err(error) = start(&program, configs, context) {
            let (path, error) = (program.display(), &error as &dyn std::error::Error);
            tracing::warn!(%path, error, "an installed NRI plugin is not started");
        }
    }
}

/// The programs in a directory, in order.
fn found(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut programs = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        // What is gone by now is no plugin.
        let is_program = fs::metadata(&path)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
        if is_program {
            programs.push(path);
        }
    }
    programs.sort();
    Ok(programs)
}

fn start(program: &Path, configs: &Path, context: &Context) -> Result<(), LaunchError> {
    let file = program.file_name().unwrap_or_default().to_string_lossy();
    let identity = Identity::of_file(&file)?;
    let config = config(configs, &identity)?;
    let (ours, theirs) = StdUnixStream::pair().map_err(LaunchError::Socket)?;
    ours.set_nonblocking(true).map_err(LaunchError::Socket)?;
    let socket = UnixStream::from_std(ours).map_err(LaunchError::Socket)?;
    let environment = [
        ("PATH", PATH.to_owned()),
        ("NRI_PLUGIN_NAME", identity.name().to_owned()),
        ("NRI_PLUGIN_IDX", identity.index().to_owned()),
        ("NRI_PLUGIN_SOCKET", "0".to_owned()),
    ];
    let child = subprocess::start(program, &environment, OwnedFd::from(theirs));
    let child = child.map_err(LaunchError::Start)?;
    tracing::info!(plugin = %identity, pid = child.id(), "an installed NRI plugin is started");
    let session = session::serve(socket, Some(Launched { identity, config }), context.clone());
    context.tasks.spawn(async move {
        session.await;
        end(child);
    });
    Ok(())
}

/// The configuration of a plugin; empty when there is none.
fn config(directory: &Path, identity: &Identity) -> Result<String, LaunchError> {
    for name in [identity.to_string(), identity.name().to_owned()] {
        let path = directory.join(format!("{name}.conf"));
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            read => return read.map_err(|source| LaunchError::Config { path, source }),
        }
    }
    Ok(String::new())
}

/// A plugin that is not listened to any more has no reason to run.
fn end(mut child: Child) {
    // Not waited for yet, so the number is still its own.
    let killed = process::kill_group(child.id().cast_signed());
    if let Err(error) = killed.and_then(|()| child.wait().map(drop)) {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "an NRI plugin was not ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_are_plugins_and_they_come_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for (name, mode) in [("20-b", 0o755), ("10-a", 0o700), ("README", 0o644)] {
            let path = dir.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir(dir.path().join("30-dir")).unwrap();
        let names: Vec<_> = found(dir.path())
            .unwrap()
            .iter()
            .map(|path| path.file_name().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["10-a", "20-b"]);
    }

    #[test]
    fn a_configuration_with_the_index_wins() {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::of_file("10-a").unwrap();
        assert_eq!(config(dir.path(), &identity).unwrap(), "");
        fs::write(dir.path().join("a.conf"), "both").unwrap();
        assert_eq!(config(dir.path(), &identity).unwrap(), "both");
        fs::write(dir.path().join("10-a.conf"), "this").unwrap();
        assert_eq!(config(dir.path(), &identity).unwrap(), "this");
    }
}
