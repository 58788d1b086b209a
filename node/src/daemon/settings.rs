//! From flags to the settings of the kubelet.
#![deny(clippy::disallowed_methods)]

use std::path::PathBuf;

/// The node's name: the flag, or the machine's name, in lower case as upstream does.
pub(crate) fn node_name(flag: Option<String>, hostname: &str) -> String {
    let name = flag.unwrap_or_else(|| hostname.to_owned());
    name.trim().to_lowercase()
}

/// A socket's path, however upstream's flag writes it.
pub(super) fn socket(text: &str) -> PathBuf {
    text.strip_prefix("unix://").unwrap_or(text).into()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_node_is_named_after_its_machine_unless_told() {
        assert_eq!(node_name(None, "Machine-1\n"), "machine-1");
        assert_eq!(node_name(Some("Other".into()), "machine"), "other");
    }

    #[test]
    fn a_socket_may_be_a_path_or_a_uri() {
        for text in ["/run/c.sock", "unix:///run/c.sock"] {
            assert_eq!(socket(text), Path::new("/run/c.sock"), "{text}");
        }
    }
}
