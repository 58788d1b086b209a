//! One datagram to whoever set NOTIFY_SOCKET.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where states are told, if anybody wants to know.
#[derive(Debug)]
pub(super) struct Notifier {
    address: Option<SocketAddr>,
}

impl Notifier {
    /// The one of NOTIFY_SOCKET.
    pub(super) fn of_environment() -> Self {
        Self::to(env::var_os("NOTIFY_SOCKET").as_deref())
    }

    /// A path, or a name behind `@`.
    pub(super) fn to(socket: Option<&OsStr>) -> Self {
        let address = socket.and_then(|name| match address(name) {
            Ok(address) => Some(address),
            Err(error) => {
                tracing::warn!(%error, ?name, "NOTIFY_SOCKET names no socket");
                None
            }
        });
        Self { address }
    }

    /// Tells a state; who does not listen misses nothing else.
    pub(super) fn send(&self, state: &str) {
        let Some(address) = &self.address else {
            return;
        };
        // Who does not read what it asked for must not hold us up.
        let sent = UnixDatagram::unbound().and_then(|from| {
            from.set_nonblocking(true)?;
            from.send_to_addr(state.as_bytes(), address)
        });
        if let Err(error) = sent {
            tracing::warn!(%error, "cannot notify the service manager");
        }
    }
}

fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_state_reaches_a_socket_with_a_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Notifier::to(Some(path.as_os_str())).send("READY=1");
        assert_eq!(received(&socket), "READY=1");
    }

    #[test]
    fn a_state_reaches_a_socket_with_an_abstract_name() {
        let name = format!("podling-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Notifier::to(Some(OsStr::new(&format!("@{name}")))).send("STOPPING=1");
        assert_eq!(received(&socket), "STOPPING=1");
    }

    #[test]
    fn nobody_who_listens_is_no_failure() {
        Notifier::to(None).send("READY=1");
        Notifier::to(Some(OsStr::new("/does/not/exist"))).send("READY=1");
        let long = "x".repeat(200);
        Notifier::to(Some(OsStr::new(&long))).send("READY=1");
    }
}
