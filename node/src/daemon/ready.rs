//! Telling the one who started us: systemd through its socket, a person through a line.

use std::env;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use podling_runtime::layout::Layout;

/// The node answers now.
pub(super) fn announce(layout: &Layout) {
    tracing::info!(root = %layout.root().display(), socket = %layout.socket().display(), "ready");
    notify("READY=1");
}

/// The node ends, which may take as long as its pods' grace.
pub(super) fn announce_end() {
    tracing::info!("ending");
    notify("STOPPING=1");
}

/// One datagram to whoever set NOTIFY_SOCKET; who does not listen misses nothing else.
fn notify(state: &str) {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let name = name.as_bytes();
    let address = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name)),
    };
    let sent = address
        .and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(error) = sent {
        tracing::warn!(%error, "cannot notify the service manager");
    }
}
