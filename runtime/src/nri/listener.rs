//! The socket that plugins connect to.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use tokio::net::{UnixListener, UnixStream};

use super::session::{self, Context};

/// Makes the socket (mode 0600). One that somebody listens on is another runtime's.
pub(super) async fn listen(path: &Path) -> io::Result<UnixListener> {
    if UnixStream::connect(path).await.is_ok() {
        let what = "another runtime listens there";
        return Err(io::Error::new(io::ErrorKind::AddrInUse, what));
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if let Some(directory) = path.parent() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(directory)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Lets plugins in until the runtime stops.
pub(super) async fn accept(listener: UnixListener, context: Context) {
    loop {
        let accepted = tokio::select! {
            // Cancelling loses nothing: who connects later is not answered.
            () = context.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) => {
                let session = session::serve(socket, None, context.clone());
                context.tasks.spawn(session);
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "no more NRI plugins can connect");
                return;
            }
        }
    }
}
