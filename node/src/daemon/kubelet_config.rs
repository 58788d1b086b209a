//! The kubelet's configuration: its document of the file, drop-ins, and flags, read for the kubelet's
//! own rules.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use podling_kubelet::config::{
    CgroupVersion, Loaded, Machine, Problems, Sources, Swap, Text, load,
};

use super::config::Document;
use crate::args::KubeletFlags;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KubeletConfigError {
    /// The drop-ins cannot be read.
    #[error("cannot read the drop-ins of --config-dir: {path}")]
    DropIns {
        /// What exactly.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// They are read, and wrong.
    #[error(transparent)]
    Wrong(#[from] Problems),
}

/// Reads it. `document` is the one of `file` that is the kubelet's; below it is what the cluster wants
/// that the machine has joined.
pub(super) fn read(
    file: &Path,
    document: Option<Document>,
    flags: &KubeletFlags,
    (mut upstream, below): (Vec<(String, String)>, Option<Text>),
) -> Result<Loaded, KubeletConfigError> {
    let mut documents = Vec::from_iter(below);
    upstream.extend(flags.upstream.0.iter().cloned());
    documents.extend(document.map(|document| Text {
        file: file.to_owned(),
        first_line: document.first_line,
        text: document.text,
    }));
    if let Some(directory) = &flags.config_dir {
        drop_ins(directory, &mut documents)?;
    }
    Ok(load(&Sources {
        documents,
        flags: upstream,
        machine: machine(),
    })?)
}

/// Every `*.conf` below the directory, in the order of their paths; other files are none.
fn drop_ins(directory: &Path, documents: &mut Vec<Text>) -> Result<(), KubeletConfigError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| KubeletConfigError::DropIns { path, source }
    };
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut paths: Vec<_> = entries
        .map_err(failed(directory))?
        .iter()
        .map(fs::DirEntry::path)
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            drop_ins(&path, documents)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "conf")
        {
            documents.push(Text {
                text: fs::read_to_string(&path).map_err(failed(&path))?,
                file: path,
                first_line: 1,
            });
        }
    }
    Ok(())
}

fn machine() -> Machine {
    let is_unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    // A header, and a line for each place to swap to.
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    Machine {
        cgroups: if is_unified {
            CgroupVersion::V2
        } else {
            CgroupVersion::V1
        },
        swap: if swaps.lines().count() > 1 {
            Swap::On
        } else {
            Swap::Off
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_ins_come_in_the_order_of_their_paths_and_only_when_they_are_named_so() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("15-more");
        fs::create_dir(&below).unwrap();
        for name in [
            "20-b.conf",
            "10-a.conf",
            "15-more/x.conf",
            "notes.txt",
            "z.conf.bak",
        ] {
            fs::write(directory.path().join(name), name).unwrap();
        }
        let mut documents = Vec::new();
        drop_ins(directory.path(), &mut documents).unwrap();
        let texts: Vec<_> = documents.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(texts, ["10-a.conf", "15-more/x.conf", "20-b.conf"]);
        let missing = drop_ins(&directory.path().join("none"), &mut documents).unwrap_err();
        assert!(missing.to_string().ends_with("/none"), "{missing}");
    }
}
