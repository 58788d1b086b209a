//! Pods of which only directories are left: a kubelet was killed while it cleaned up.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::layout::Layout;
use crate::model::{PodName, PodUid};
use crate::sync::{Life, RuntimePod};

/// Every pod that has a directory. Its name is on its log directory, if it still has one.
pub(super) fn on_disk(layout: &Layout) -> io::Result<Vec<RuntimePod>> {
    let names = names_by_uid(layout.pod_logs())?;
    let pods = entries(&layout.pods())?.into_iter().map(|uid| {
        let name = names
            .get(&uid)
            .cloned()
            .unwrap_or_else(|| PodName::new("", ""));
        RuntimePod {
            uid: PodUid::from(uid),
            name,
            life: Life::Dead,
        }
    });
    Ok(pods.collect())
}

/// From `namespace_name_uid`; neither part has an underscore of its own.
fn names_by_uid(pod_logs: &Path) -> io::Result<BTreeMap<String, PodName>> {
    let parse = |directory: &String| {
        let (namespace, rest) = directory.split_once('_')?;
        let (name, uid) = rest.split_once('_')?;
        Some((uid.to_owned(), PodName::new(namespace, name)))
    };
    Ok(entries(pod_logs)?.iter().filter_map(parse).collect())
}

fn entries(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}
