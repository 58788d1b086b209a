//! From flags to the settings of the kubelet.
#![deny(clippy::disallowed_methods)]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Upstream's read-only port.
const READ_ONLY_PORT: u16 = 10_255;

/// Upstream's port of everything.
const SECURE_PORT: u16 = 10_250;

/// Where the kubelet listens: the well-known port for the machine's own node, any free one for
/// others, so that nodes of several roots run side by side.
pub(super) fn listen(flag: Option<SocketAddr>, root: &Path) -> SocketAddr {
    let port = if root == Path::new("/") {
        READ_ONLY_PORT
    } else {
        0
    };
    flag.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// Where the kubelet listens with TLS: likewise.
pub(super) fn secure(root: &Path) -> SocketAddr {
    let is_machines_own = root == Path::new("/");
    SocketAddr::from((
        Ipv4Addr::LOCALHOST,
        if is_machines_own { SECURE_PORT } else { 0 },
    ))
}

/// The node's name: the flag, or the machine's name in lower case, as upstream does.
pub(super) fn node_name(flag: Option<String>, hostname: &str) -> String {
    flag.unwrap_or_else(|| hostname.trim().to_lowercase())
}

/// A socket's path, however upstream's flag writes it.
pub(super) fn socket(text: &str) -> PathBuf {
    text.strip_prefix("unix://").unwrap_or(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_machines_own_node_listens_on_the_well_known_port() {
        assert_eq!(listen(None, Path::new("/")).port(), 10_255);
        assert_eq!(listen(None, Path::new("/srv/node")).port(), 0);
        let chosen = "127.0.0.1:7".parse().unwrap();
        assert_eq!(listen(Some(chosen), Path::new("/")), chosen);
    }

    #[test]
    fn a_node_is_named_after_its_machine_unless_told() {
        assert_eq!(node_name(None, "Machine-1\n"), "machine-1");
        assert_eq!(node_name(Some("other".into()), "machine"), "other");
    }

    #[test]
    fn a_socket_may_be_a_path_or_a_uri() {
        for text in ["/run/c.sock", "unix:///run/c.sock"] {
            assert_eq!(socket(text), Path::new("/run/c.sock"), "{text}");
        }
    }
}
