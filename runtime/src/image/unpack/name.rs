//! Names in a layer's archive: relative and clean, or refused.
#![deny(clippy::disallowed_methods)]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use super::error::UnpackError;

/// What the name of an entry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// The root directory of the layer.
    Root,
    /// Something below it.
    Path(Location),
    /// `.wh.NAME`: hides NAME of the layers below.
    Whiteout(Location),
    /// `.wh..wh..opq`: hides whatever the layers below have in this directory.
    Opaque(PathBuf),
    /// Bookkeeping of aufs that means nothing here.
    Ignored,
}

/// A name in a directory of the layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// The directory; empty is the layer's root.
    pub(super) parent: PathBuf,
    /// The name in it.
    pub(super) name: OsString,
}

impl Location {
    /// The whole path.
    pub(super) fn path(&self) -> PathBuf {
        self.parent.join(&self.name)
    }
}

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const AUFS: &[u8] = b".wh..wh.";

/// Reads the name of an entry.
pub(super) fn parse(raw: &[u8]) -> Result<Name, UnpackError> {
    let Some(location) = locate(raw)? else {
        return Ok(Name::Root);
    };
    let name = location.name.as_bytes();
    if name == OPAQUE {
        return Ok(Name::Opaque(location.parent));
    }
    if name.starts_with(AUFS) {
        return Ok(Name::Ignored);
    }
    match name.strip_prefix(WHITEOUT) {
        None => Ok(Name::Path(location)),
        Some(b"" | b"." | b"..") => Err(escape(raw, "the whiteout hides a directory above it")),
        Some(hidden) => {
            let name = OsStr::from_bytes(hidden).to_owned();
            Ok(Name::Whiteout(Location {
                parent: location.parent,
                name,
            }))
        }
    }
}

/// Reads the target of a hard link, which is a path of the same layer.
pub(super) fn parse_link(raw: &[u8]) -> Result<Location, UnpackError> {
    locate(raw)?.ok_or_else(|| escape(raw, "a hard link to the root directory"))
}

/// Splits a path below the layer's root; `None` is the root itself. A leading slash means the
/// layer's root, as every other runtime takes it; `..` has no place in a layer.
fn locate(raw: &[u8]) -> Result<Option<Location>, UnpackError> {
    if raw.contains(&0) {
        return Err(escape(raw, "a NUL in the name"));
    }
    let mut path = PathBuf::new();
    for component in Path::new(OsStr::from_bytes(raw)).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(escape(raw, "it has a '..'"));
            }
        }
    }
    let mut bytes = path.into_os_string().into_vec();
    if bytes.is_empty() {
        return Ok(None);
    }
    let (parent, name) = match bytes.iter().rposition(|b| *b == b'/') {
        None => (Vec::new(), bytes),
        Some(slash) => {
            let name = bytes.split_off(slash + 1);
            bytes.truncate(slash);
            (bytes, name)
        }
    };
    Ok(Some(Location {
        parent: OsString::from_vec(parent).into(),
        name: OsString::from_vec(name),
    }))
}

fn escape(raw: &[u8], reason: &'static str) -> UnpackError {
    UnpackError::Escape {
        name: String::from_utf8_lossy(raw).into_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(parent: &str, name: &str) -> Location {
        Location {
            parent: parent.into(),
            name: name.into(),
        }
    }

    #[test]
    fn names_are_taken_from_the_root_of_the_layer() {
        for (raw, name) in [
            ("./", Name::Root),
            ("/", Name::Root),
            ("", Name::Root),
            ("etc/passwd", Name::Path(at("etc", "passwd"))),
            ("./a//b/./c/", Name::Path(at("a/b", "c"))),
            ("/etc/passwd", Name::Path(at("etc", "passwd"))),
            ("a/.wh.b", Name::Whiteout(at("a", "b"))),
            ("a/.wh....", Name::Whiteout(at("a", "..."))),
            ("a/b/.wh..wh..opq", Name::Opaque("a/b".into())),
            (".wh..wh.plnk", Name::Ignored),
            ("..a/b..", Name::Path(at("..a", "b.."))),
        ] {
            assert_eq!(parse(raw.as_bytes()).unwrap(), name, "{raw}");
        }
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        for raw in [
            "..",
            "../a",
            "a/../../b",
            "a/..",
            "/../etc",
            "a/.wh...",
            "a/.wh..",
            ".wh.",
            "a\0b",
        ] {
            assert!(
                matches!(parse(raw.as_bytes()), Err(UnpackError::Escape { .. })),
                "{raw}"
            );
        }
        assert!(parse_link(b"../../etc/shadow").is_err());
        assert!(parse_link(b"/").is_err());
    }
}
