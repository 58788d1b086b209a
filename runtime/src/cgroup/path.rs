//! Where a cgroup is below the cgroup root.

use std::fmt;

/// An absolute path below the cgroup root, such as `/kubepods/burstable/pod1/c0ffee`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CgroupPath(String);

/// Why a text is not the path of a cgroup.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidCgroupPath {
    /// Not absolute, going up, or with odd characters.
    #[error("cgroup parent {0:?}: an absolute path without '..' is expected, such as /kubepods")]
    Malformed(String),
    /// A slice, and the driver is cgroupfs.
    #[error(
        "cgroup parent {0:?} is a systemd slice, and the cgroup driver is cgroupfs: set cgroupDriver: \
         cgroupfs in the kubelet's configuration, or cgroupDriver: systemd in podling's"
    )]
    Slice(String),
    /// A path, and the driver is systemd.
    #[error(
        "cgroup parent {0:?} is not a systemd slice such as kubepods.slice, and the cgroup driver is \
         systemd: set cgroupDriver: systemd in the kubelet's configuration, or cgroupDriver: cgroupfs \
         in podling's"
    )]
    NoSlice(String),
    /// Not a single plain name.
    #[error("{0:?} cannot be the name of a cgroup")]
    Name(String),
}

impl CgroupPath {
    /// The cgroup `name` below `parent`.
    pub fn new(parent: &str, name: &str) -> Result<Self, InvalidCgroupPath> {
        let malformed = || InvalidCgroupPath::Malformed(parent.to_owned());
        let below = parent.strip_prefix('/').ok_or_else(malformed)?;
        let mut path = String::new();
        for word in below.split('/').filter(|word| !word.is_empty()) {
            if !is_name(word) {
                return Err(malformed());
            }
            path.push('/');
            path.push_str(word);
        }
        if !is_name(name) {
            return Err(InvalidCgroupPath::Name(name.to_owned()));
        }
        Ok(Self(format!("{path}/{name}")))
    }

    /// The path with its leading `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without its leading `/`: joined to a directory, it stays below it.
    pub(super) fn relative(&self) -> &str {
        &self.0[1..]
    }
}

impl fmt::Display for CgroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name(word: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@\\".contains(c);
    !word.is_empty() && !matches!(word, "." | "..") && word.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_below_its_parent() {
        for (parent, expected) in [
            ("/", "/c"),
            ("/kubepods", "/kubepods/c"),
            ("/a//b.d/c_1/", "/a/b.d/c_1/c"),
        ] {
            assert_eq!(CgroupPath::new(parent, "c").unwrap().as_str(), expected);
        }
    }

    #[test]
    fn nothing_leads_out_of_the_cgroup_root() {
        for parent in [
            "", "kubepods", "/..", "/a/../b", "/a/./b", "/a b", "/a\0", "/a\n",
        ] {
            let got = CgroupPath::new(parent, "c");
            assert!(
                matches!(got, Err(InvalidCgroupPath::Malformed(_))),
                "{parent:?}"
            );
        }
        for name in ["", ".", "..", "a/b", "../a", "a\n"] {
            let got = CgroupPath::new("/a", name);
            assert!(matches!(got, Err(InvalidCgroupPath::Name(_))), "{name:?}");
        }
    }
}
