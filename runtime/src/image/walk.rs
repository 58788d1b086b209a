//! A path on its way through a tree whose links are followed by us.
//!
//! What is in the tree is looked up by whoever walks; here is only where the walk stands. `..` and
//! absolute links stay below the root, as for a process that has it as its root.
#![deny(clippy::disallowed_methods)]

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;

/// As many as the kernel follows in one path.
const MAX_LINKS: usize = 40;

/// A path on its way.
#[derive(Debug)]
pub(super) struct Walk {
    pending: VecDeque<OsString>,
    resolved: PathBuf,
    links: usize,
}

impl Walk {
    /// Begins at the root.
    pub(super) fn new(path: &Path) -> Self {
        Self {
            pending: components(path),
            resolved: PathBuf::new(),
            links: 0,
        }
    }

    /// The next name to look up in the directory `at`.
    pub(super) fn next(&mut self) -> Option<OsString> {
        loop {
            let name = self.pending.pop_front()?;
            if name != ".." {
                return Some(name);
            }
            self.resolved.pop();
        }
    }

    /// The directory that was come to, without any link in its path.
    pub(super) fn at(&self) -> &Path {
        &self.resolved
    }

    /// Whether nothing comes after the name that was last looked up.
    pub(super) fn is_at_end(&self) -> bool {
        self.pending.is_empty()
    }

    /// The name is a directory: goes there.
    pub(super) fn enter(&mut self, name: OsString) {
        self.resolved.push(name);
    }

    /// The name is a link: goes where it leads.
    pub(super) fn follow(&mut self, target: &Path) -> io::Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::LOOP.into());
        }
        if target.is_absolute() {
            self.resolved.clear();
        }
        for name in components(target).into_iter().rev() {
            self.pending.push_front(name);
        }
        Ok(())
    }
}

fn components(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where `path` leads in a tree of these links, everything else being a directory.
    fn leads_to(path: &str, links: &[(&str, &str)]) -> io::Result<PathBuf> {
        let mut walk = Walk::new(Path::new(path));
        while let Some(name) = walk.next() {
            let whole = walk.at().join(&name);
            match links.iter().find(|(link, _)| Path::new(link) == whole) {
                Some((_, target)) => walk.follow(Path::new(target))?,
                None => walk.enter(name),
            }
        }
        Ok(walk.at().to_owned())
    }

    #[test]
    fn links_and_parents_stay_below_the_root() {
        let links = [
            ("run", "/var/run"),
            ("var/run", "../../../srv/./run"),
            ("a/b", "c"),
        ];
        for (path, end) in [
            ("/etc/../../passwd", "passwd"),
            ("run/lock", "srv/run/lock"),
            ("a/b/d", "a/c/d"),
            ("", ""),
        ] {
            assert_eq!(leads_to(path, &links).unwrap(), Path::new(end), "{path}");
        }
    }

    #[test]
    fn a_circle_of_links_ends() {
        assert!(leads_to("a", &[("a", "b"), ("b", "a")]).is_err());
    }
}
