//! Ids of the host for pods with users of their own: a range each, recorded in the pod's directory.
//!
//! The records are all there is: a range is taken while a pod's directory says so, and free again
//! when the record is gone, as soon as the pod has ended.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cri::IdRange;
use crate::layout::Layout;
use crate::model::PodUid;

/// The ids that are given to pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdPool {
    /// The first.
    pub first: u32,
    /// How many ranges there are.
    pub ranges: u32,
    /// How many ids a range has.
    pub per_pod: u32,
}

/// All ids but those of the host's own users.
impl Default for IdPool {
    fn default() -> Self {
        Self {
            first: 1 << 16,
            ranges: (1 << 16) - 1,
            per_pod: 1 << 16,
        }
    }
}

impl IdPool {
    /// The lowest range that nobody has.
    fn free(self, taken: &BTreeSet<u32>) -> Option<IdRange> {
        let mut firsts = (0..self.ranges)
            .map_while(|index| self.first.checked_add(index.checked_mul(self.per_pod)?));
        let first = firsts.find(|first| !taken.contains(first))?;
        Some(IdRange {
            first,
            length: self.per_pod,
        })
    }
}

/// Why a pod has no ids.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsersError {
    /// All are taken.
    #[error("could not find an empty slot to allocate a user namespace")]
    NoneFree,
    /// A record cannot be read or written.
    #[error("cannot use the record {path}")]
    Record {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The record, in the form that other kubelets have.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    uid_mappings: [Mapping; 1],
    gid_mappings: [Mapping; 1],
}

#[derive(Clone, Copy, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Mapping {
    host_id: u32,
    container_id: u32,
    length: u32,
}

/// The pod's range: the one it has, or one that nobody has. Its directory must be there.
pub(crate) fn take(layout: &Layout, uid: &PodUid, pool: IdPool) -> Result<IdRange, UsersError> {
    let path = record_path(&layout.pod(uid));
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| UsersError::Record { path, source }
    };
    let pods = layout.pods();
    // Only one pod looks for a free range at a time.
    let _turn = take_turn(&pods).map_err(failed(&pods))?;
    if let Some(range) = read(&path).map_err(failed(&path))? {
        return Ok(range);
    }
    let mut taken = BTreeSet::new();
    for entry in std::fs::read_dir(&pods).map_err(failed(&pods))? {
        let other = record_path(&entry.map_err(failed(&pods))?.path());
        taken.extend(
            read(&other)
                .map_err(failed(&other))?
                .map(|range| range.first),
        );
    }
    let range = pool.free(&taken).ok_or(UsersError::NoneFree)?;
    write(&path, range).map_err(failed(&path))?;
    Ok(range)
}

/// The pod has ended: others may have its range. Does nothing the second time.
pub(crate) fn give_back(layout: &Layout, uid: &PodUid) -> Result<(), UsersError> {
    let path = record_path(&layout.pod(uid));
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(UsersError::Record { path, source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn record_path(pod: &Path) -> PathBuf {
    pod.join("userns")
}

fn take_turn(directory: &Path) -> io::Result<File> {
    let directory = File::open(directory)?;
    rustix::fs::flock(&directory, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(directory)
}

fn read(path: &Path) -> io::Result<Option<IdRange>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let record: Record = serde_json::from_slice(&text)?;
    let [uids] = record.uid_mappings;
    if record.gid_mappings != [uids] || uids.container_id != 0 {
        return Err(io::Error::other(
            "uids and gids must be one range from 0 on",
        ));
    }
    Ok(Some(IdRange {
        first: uids.host_id,
        length: uids.length,
    }))
}

/// The record is whole or not there, whenever the machine stops.
fn write(path: &Path, range: IdRange) -> io::Result<()> {
    let all = Mapping {
        host_id: range.first,
        container_id: 0,
        length: range.length,
    };
    let record = Record {
        uid_mappings: [all],
        gid_mappings: [all],
    };
    let unfinished = path.with_extension("new");
    let mut file = File::create(&unfinished)?;
    file.write_all(&serde_json::to_vec(&record)?)?;
    file.sync_all()?;
    std::fs::rename(unfinished, path)?;
    let directory = path.parent().expect("a record is in a pod's directory");
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    struct Stage {
        _root: TempDir,
        layout: Layout,
    }

    impl Stage {
        fn new() -> Self {
            let root = TempDir::new().unwrap();
            let layout = Layout::new(root.path(), root.path());
            Self {
                _root: root,
                layout,
            }
        }

        fn take(&self, uid: &str) -> Result<u32, UsersError> {
            let pool = IdPool {
                ranges: 2,
                ..IdPool::default()
            };
            std::fs::create_dir_all(self.layout.pod(&uid.into())).unwrap();
            take(&self.layout, &uid.into(), pool).map(|range| range.first)
        }
    }

    #[test]
    fn each_pod_has_a_range_until_it_has_ended_or_its_directory_is_gone() {
        let stage = Stage::new();
        assert_eq!(stage.take("a").unwrap(), 65536);
        assert_eq!(stage.take("b").unwrap(), 131_072);
        assert_eq!(stage.take("a").unwrap(), 65536, "it keeps what it has");
        let none = stage.take("c").unwrap_err().to_string();
        assert_eq!(
            none,
            "could not find an empty slot to allocate a user namespace"
        );
        for _ in 0..2 {
            give_back(&stage.layout, &"b".into()).unwrap();
        }
        assert_eq!(stage.take("c").unwrap(), 131_072);
        std::fs::remove_dir_all(stage.layout.pod(&"a".into())).unwrap();
        assert_eq!(stage.take("b").unwrap(), 65536);
    }

    #[test]
    fn a_record_of_another_kubelet_counts_and_a_broken_one_is_named() {
        let stage = Stage::new();
        let path = record_path(&stage.layout.pod(&"a".into()));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mapping = r#"[{"hostId":65536,"containerId":0,"length":65536}]"#;
        let record = format!(r#"{{"uidMappings":{mapping},"gidMappings":{mapping}}}"#);
        std::fs::write(&path, record).unwrap();
        assert_eq!(stage.take("b").unwrap(), 131_072);
        std::fs::write(&path, "{").unwrap();
        let error = stage.take("c").unwrap_err().to_string();
        assert!(error.contains("a/userns"), "{error}");
    }
}
