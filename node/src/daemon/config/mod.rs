//! The configuration of a daemon: a file of YAML documents, and the flags that override it.
//!
//! ```text
//! file ─► document (one a kind) ─┬─► runtime   defaults, the document, flags
//!                                └─► the kubelet's document, for the kubelet's part
//! tree, fields   any YAML with its lines, read field by field
//! problem        everything that is wrong, told at once
//! ```

mod document;
mod fields;
mod handlers;
mod problem;
mod runtime;

use std::path::{Path, PathBuf};
use std::{fs, io};

use podling_runtime::layout::Layout;

pub(crate) use document::{Document, Documents};
pub(crate) use problem::{Problem, Problems};
pub(crate) use runtime::{Network, RuntimeConfiguration};

use crate::args::{LogArguments, RuntimeArguments};

/// The documents of this node's file, and the problems so far. A file that nobody named need not be
/// there.
pub(crate) fn read(layout: &Layout, named: Option<&Path>) -> (Documents, Problems) {
    let file = named.map_or_else(|| default_file(layout), Path::to_owned);
    let text = fs::read_to_string(&file);
    let mut problems = Problems::of(file);
    let documents = match text {
        Ok(text) => document::split(&text, &mut problems.all),
        Err(error) => {
            let is_needed = named.is_some() || error.kind() != io::ErrorKind::NotFound;
            if is_needed {
                let message = format!("cannot be read: {error}");
                problems.all.push(Problem::File { line: 0, message });
            }
            Documents::default()
        }
    };
    (documents, problems)
}

/// What a command line says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags<'a> {
    /// Of the runtime, if it is run.
    pub(crate) runtime: Option<&'a RuntimeArguments>,
    /// Of the log.
    pub(crate) log: Option<&'a LogArguments>,
}

/// The runtime's part: defaults, the file, flags.
pub(crate) fn runtime(
    mut defaults: RuntimeConfiguration,
    document: Option<&Document>,
    flags: Flags<'_>,
    problems: &mut Problems,
) -> RuntimeConfiguration {
    if let Some(document) = document {
        defaults.read(document, &mut problems.all);
    }
    if let Some(flags) = flags.runtime {
        defaults.override_with(flags, &mut problems.all);
    }
    if let Some(flags) = flags.log {
        defaults.logging = defaults.logging.overridden_by(flags);
    }
    defaults
}

fn default_file(layout: &Layout) -> PathBuf {
    layout.root().join("etc/podling/config.yaml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_is_named_must_be_there() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::below(root.path());
        let (documents, problems) = read(&layout, None);
        assert_eq!(documents, Documents::default());
        assert_eq!(problems.none(), Ok(()));
        let (_, problems) = read(&layout, Some(Path::new("/does/not/exist")));
        let told = problems.none().unwrap_err().to_string();
        assert!(
            told.starts_with("/does/not/exist: cannot be read: "),
            "{told}"
        );
    }

    #[test]
    fn the_file_of_the_root_is_read() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::below(root.path());
        fs::create_dir_all(root.path().join("etc/podling")).unwrap();
        fs::write(default_file(&layout), "kind: Other\n").unwrap();
        let (_, problems) = read(&layout, None);
        let told = problems.none().unwrap_err().to_string();
        assert!(
            told.contains("etc/podling/config.yaml:1: document 1: "),
            "{told}"
        );
    }
}
