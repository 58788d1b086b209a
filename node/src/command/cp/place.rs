//! Where files are copied from and to.
#![deny(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// One end of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On this machine.
    Here(PathBuf),
    /// In a container.
    There(There),
}

/// A path in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct There {
    pub(super) namespace: Option<String>,
    pub(super) pod: String,
    pub(super) path: String,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORMAT: &str =
            "filespec must match the canonical format: [[namespace/]pod:]file/path";
        let Some((pod, path)) = text.split_once(':') else {
            return match text {
                "" => Err("filepath can not be empty".to_owned()),
                text => Ok(Self::Here(text.into())),
            };
        };
        let (namespace, pod) = match pod.split('/').collect::<Vec<_>>().as_slice() {
            [pod] => (None, (*pod).to_owned()),
            [namespace, pod] => (Some((*namespace).to_owned()), (*pod).to_owned()),
            _ => return Err(FORMAT.to_owned()),
        };
        if pod.is_empty() {
            return Err(FORMAT.to_owned());
        }
        if path.is_empty() {
            return Err("filepath can not be empty".to_owned());
        }
        Ok(Self::There(There {
            namespace,
            pod,
            path: path.to_owned(),
        }))
    }
}

/// A directory in a container with the name of what is copied into it.
pub(super) fn joined(directory: &str, from: &Path) -> Result<String, String> {
    let name = from.components().next_back().and_then(|part| match part {
        std::path::Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let name = name.ok_or_else(|| format!("{} has no name of its own", from.display()))?;
    Ok(format!("{}/{name}", directory.trim_end_matches('/')))
}

/// The directory of a path in a container, and the name in it.
pub(super) fn split(path: &str) -> (String, String) {
    let path = path.trim_end_matches('/');
    match path.rsplit_once('/') {
        Some(("", name)) => ("/".to_owned(), name.to_owned()),
        Some((directory, name)) => (directory.to_owned(), name.to_owned()),
        None => (".".to_owned(), path.to_owned()),
    }
}

/// What `tar` in the container puts before every name: the path, without what leads out of its root.
pub(super) fn prefix(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_as_for_kubectl() {
        let there = |namespace: Option<&str>, pod: &str, path: &str| {
            Ok(Place::There(There {
                namespace: namespace.map(str::to_owned),
                pod: pod.to_owned(),
                path: path.to_owned(),
            }))
        };
        assert_eq!("./a/b".parse(), Ok(Place::Here("./a/b".into())));
        assert_eq!("web:/a".parse(), there(None, "web", "/a"));
        assert_eq!("ns/web:a:b".parse(), there(Some("ns"), "web", "a:b"));
        for (text, words) in [
            (":/a", "canonical format"),
            ("a/b/c:/x", "canonical format"),
            ("web:", "can not be empty"),
            ("", "can not be empty"),
        ] {
            let refused = text.parse::<Place>().unwrap_err();
            assert!(refused.contains(words), "{text}: {refused}");
        }
    }

    #[test]
    fn paths_in_a_container_are_split_and_joined_without_leaving_its_root() {
        assert_eq!(split("/a"), ("/".to_owned(), "a".to_owned()));
        assert_eq!(split("a/b/"), ("a".to_owned(), "b".to_owned()));
        assert_eq!(split("b"), (".".to_owned(), "b".to_owned()));
        assert_eq!(joined("/x/", Path::new("/a/b/")), Ok("/x/b".to_owned()));
        assert!(joined("/x", Path::new("/")).is_err());
        for (path, expected) in [("/a/b", "a/b"), ("../../a", "a"), ("a/./b/../c/", "a/c")] {
            assert_eq!(prefix(path), expected, "{path}");
        }
    }
}
