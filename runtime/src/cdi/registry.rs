//! Every file that was found, and the devices in them.
//!
//! A later directory wins over an earlier one. Two files of one directory that describe the same
//! device contradict each other: then nobody can say which one is meant, and it is neither.
#![deny(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};

use super::document::{Device, Document, DocumentError};
use super::edits::{EditError, Edits};
use super::name;

/// The files.
#[derive(Debug, Default)]
pub struct Registry {
    files: Vec<File>,
    faults: Vec<(PathBuf, String)>,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    /// Number of its directory.
    priority: usize,
    document: Document,
}

/// Why a device cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum LookUpError {
    /// No file describes it.
    #[error("CDI device {name} is unknown{}", of_faults(faults))]
    Unknown {
        /// Which.
        name: String,
        /// Files that could not be understood, which may have described it.
        faults: Vec<(PathBuf, String)>,
    },
    /// Two files describe it.
    #[error("CDI device {name} is described twice, by {} and {}", first.display(), second.display())]
    Conflict {
        /// Which.
        name: String,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// It asks for what there is not.
    #[error("CDI device {name} of {}", path.display())]
    Edit {
        /// Which.
        name: String,
        /// Where it is described.
        path: PathBuf,
        /// What it asks for.
        source: EditError,
    },
}

fn of_faults(faults: &[(PathBuf, String)]) -> String {
    let fault = |(path, why): &(PathBuf, String)| format!("; {} {why}", path.display());
    faults.iter().map(fault).collect()
}

impl Registry {
    /// Adds a file of the directory of this number.
    pub(super) fn add(&mut self, path: PathBuf, priority: usize, text: &str) {
        match Document::parse(text) {
            Ok(document) => self.files.push(File {
                path,
                priority,
                document,
            }),
            Err(error) => self.add_fault(path, &error),
        }
    }

    fn add_fault(&mut self, path: PathBuf, error: &DocumentError) {
        self.faults.push((path, error.to_string()));
    }

    /// Adds a file that cannot be read: it matters only to who asks for what may be in it.
    pub(super) fn add_unreadable(&mut self, path: PathBuf, error: &std::io::Error) {
        self.faults.push((path, format!("cannot be read: {error}")));
    }

    /// What these devices make of a container.
    pub fn edits(&self, names: &[String]) -> Result<Edits, LookUpError> {
        let mut edits = Edits::default();
        let mut applied: Vec<&Path> = Vec::new();
        for name in names {
            let (file, device) = self.find(name)?;
            let failed = |source| LookUpError::Edit {
                name: name.clone(),
                path: file.path.clone(),
                source,
            };
            // What belongs to the file comes once, before its first device.
            if !applied.contains(&file.path.as_path()) {
                applied.push(&file.path);
                edits.add(&file.document.container_edits).map_err(failed)?;
            }
            edits.add(&device.container_edits).map_err(failed)?;
        }
        Ok(edits)
    }

    fn find(&self, name: &str) -> Result<(&File, &Device), LookUpError> {
        let mut found = self.all(name);
        found.sort_by_key(|(file, _)| std::cmp::Reverse(file.priority));
        match found.as_slice() {
            [] => Err(LookUpError::Unknown {
                name: name.to_owned(),
                faults: self.faults.clone(),
            }),
            [first, second, ..] if first.0.priority == second.0.priority => {
                Err(LookUpError::Conflict {
                    name: name.to_owned(),
                    first: first.0.path.clone(),
                    second: second.0.path.clone(),
                })
            }
            [first, ..] => Ok(*first),
        }
    }

    fn all(&self, name: &str) -> Vec<(&File, &Device)> {
        let Some((kind, wanted)) = name::split(name) else {
            return Vec::new();
        };
        let files = self.files.iter().filter(|file| file.document.kind == kind);
        let device = |file: &'_ File| -> Option<usize> {
            let mut devices = file.document.devices.iter();
            devices.position(|device| device.name == wanted)
        };
        files
            .filter_map(|file| Some((file, &file.document.devices[device(file)?])))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(edits: &str) -> String {
        format!(
            "{{cdiVersion: 1.0.0, kind: v.com/gpu, containerEdits: {{env: [FILE=1]}},
              devices: [{{name: a, containerEdits: {edits}}}, {{name: b}}]}}"
        )
    }

    fn registry(files: &[(&str, usize, &str)]) -> Registry {
        let mut registry = Registry::default();
        for (path, priority, text) in files {
            registry.add(path.into(), *priority, text);
        }
        registry
    }

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_files_own_edits_come_once_with_its_first_device() {
        let registry = registry(&[("/etc/cdi/v.yaml", 0, &file("{env: [DEVICE=a]}"))]);
        let edits = registry.edits(&names("v.com/gpu=a v.com/gpu=b")).unwrap();
        let env: Vec<&str> = edits.env.iter().map(|env| env.name.as_str()).collect();
        assert_eq!(env, ["FILE", "DEVICE"]);
    }

    #[test]
    fn a_later_directory_wins_and_two_files_of_one_contradict_each_other() {
        let (one, other) = (file("{env: [FROM=etc]}"), file("{env: [FROM=run]}"));
        let both = registry(&[("/etc/cdi/v.yaml", 0, &one), ("/run/cdi/v.yaml", 1, &other)]);
        let edits = both.edits(&names("v.com/gpu=a")).unwrap();
        assert_eq!(edits.env[1].value, b"run");
        let contradiction = registry(&[("/x/1.yaml", 0, &one), ("/x/2.yaml", 0, &other)]);
        let error = contradiction
            .edits(&names("v.com/gpu=a"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("v.com/gpu=a is described twice, by /x/1.yaml and /x/2.yaml"),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_device_is_named_and_so_are_the_files_that_may_have_known_it() {
        let files = [
            ("/etc/cdi/v.yaml", 0, &*file("{}")),
            ("/etc/cdi/broken.json", 0, "{"),
        ];
        let error = registry(&files)
            .edits(&names("v.com/gpu=c"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("v.com/gpu=c is unknown"), "{error}");
        assert!(
            error.contains("/etc/cdi/broken.json cannot be understood"),
            "{error}"
        );
        // Who asks for something else is not concerned.
        registry(&files).edits(&names("v.com/gpu=b")).unwrap();
    }

    #[test]
    fn a_device_that_asks_for_too_much_is_named_with_its_file() {
        let text = file("{hooks: [{hookName: poststop, path: /bin/x}]}");
        let error = registry(&[("/etc/cdi/v.yaml", 0, &text)])
            .edits(&names("v.com/gpu=a"))
            .unwrap_err();
        assert!(
            error.to_string().contains("v.com/gpu=a of /etc/cdi/v.yaml"),
            "{error}"
        );
    }
}
