//! From flags to the settings of runtime and kubelet.
#![deny(clippy::disallowed_methods)]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use podling_runtime::network::{InvalidSubnet, Ipv4Subnet};

/// Upstream's read-only port.
const READ_ONLY_PORT: u16 = 10_255;

/// Why a flag means nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidFlag {
    /// Not an address and a prefix.
    #[error("--pod-cidr {0:?} is not a network such as 10.88.0.0/16")]
    PodCidr(String),
    /// A network that pods cannot have.
    #[error("--pod-cidr {text} cannot be used")]
    Subnet {
        /// As it was given.
        text: String,
        /// Why.
        source: InvalidSubnet,
    },
}

/// Reads `10.88.0.0/16`.
pub(super) fn subnet(text: &str) -> Result<Ipv4Subnet, InvalidFlag> {
    let parts = text.split_once('/').and_then(|(network, prefix)| {
        Some((network.parse::<Ipv4Addr>().ok()?, prefix.parse().ok()?))
    });
    let (network, prefix) = parts.ok_or_else(|| InvalidFlag::PodCidr(text.to_owned()))?;
    Ipv4Subnet::new(network, prefix).map_err(|source| InvalidFlag::Subnet {
        text: text.to_owned(),
        source,
    })
}

/// The directories of a flag that may be repeated and whose values are separated by colons.
pub(super) fn directories(flags: &[String]) -> Vec<PathBuf> {
    let all = flags.iter().flat_map(|flag| flag.split(':'));
    all.filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .collect()
}

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
    fn a_pod_cidr_is_a_network_with_a_prefix() {
        assert!(subnet("10.1.2.0/24").is_ok());
        for text in ["", "10.1.2.0", "10.1.2.0/", "10.1/16", "fd00::/64"] {
            let error = subnet(text).unwrap_err();
            assert!(matches!(error, InvalidFlag::PodCidr(_)), "{text}: {error}");
        }
        assert!(matches!(
            subnet("10.1.2.0/33"),
            Err(InvalidFlag::Subnet { .. })
        ));
    }

    #[test]
    fn directories_are_separated_by_colons_or_in_several_flags() {
        let flags = ["/a:/b".to_owned(), "/c:".to_owned()];
        assert_eq!(directories(&flags), ["/a", "/b", "/c"].map(PathBuf::from));
    }

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
