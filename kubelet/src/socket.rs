//! Sockets in directories of the kubelet's own.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::net::UnixListener;

/// Makes a directory for sockets, which only root and its group may enter.
pub(crate) fn make_directory(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, Permissions::from_mode(0o750))
}

/// Listens for root alone. What is there is left from a kubelet that died: a root has one.
pub(crate) fn bind(socket: &Path) -> io::Result<UnixListener> {
    let (Some(directory), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // An address holds 108 bytes, and a root may be deeper.
    let directory = File::open(directory)?;
    let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string());
    let listener = UnixListener::bind(short.join(name))?;
    fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    Ok(listener)
}
