//! The manifests of the pods that are measured.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::NodeBenchError;
use crate::bench::pod::sleeper;

const LABEL: &str = "podling.dev/node-bench";

/// Files of the directory that a kubelet reads.
pub(super) struct Manifests {
    directory: PathBuf,
    /// Where they are written before they are moved to where they are read, in one step.
    desk: PathBuf,
    image: String,
    dropped: RefCell<BTreeSet<PathBuf>>,
}

impl Manifests {
    pub(super) fn new(root: &Path, image: &str) -> Self {
        Self {
            directory: root.join("etc/podling/manifests"),
            desk: root.join("bench-manifest.json"),
            image: image.to_owned(),
            dropped: RefCell::default(),
        }
    }

    /// Has a pod of this name run.
    pub(super) fn drop(&self, name: &str) -> Result<(), NodeBenchError> {
        let path = self.path(name);
        let write = || {
            fs::write(&self.desk, self.pod(name))?;
            fs::rename(&self.desk, &path)
        };
        write().map_err(|source| NodeBenchError::Manifest {
            path: path.clone(),
            source,
        })?;
        self.dropped.borrow_mut().insert(path);
        Ok(())
    }

    /// Has it run no longer.
    pub(super) fn remove(&self, name: &str) -> Result<(), NodeBenchError> {
        let path = self.path(name);
        self.dropped.borrow_mut().remove(&path);
        fs::remove_file(&path).map_err(|source| NodeBenchError::Manifest { path, source })
    }

    /// Has none run any longer; what cannot be removed is seen by its pod, which stays.
    pub(super) fn remove_all(&self) {
        for path in self.dropped.take() {
            let _ = fs::remove_file(path);
        }
    }

    /// How many pods of ours a list of pods has.
    pub(super) fn count_in(&self, list: &str) -> usize {
        let list: serde_json::Value = serde_json::from_str(list).unwrap_or_default();
        let pods = list["items"].as_array().into_iter().flatten();
        pods.filter(|pod| pod["metadata"]["labels"][LABEL] == "pod")
            .count()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("bench-{name}.json"))
    }

    fn pod(&self, name: &str) -> String {
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {LABEL: "pod"}},
            "spec": {
                "containers": [{
                    "name": "sleep",
                    "image": self.image,
                    "imagePullPolicy": "Never",
                    "command": sleeper(),
                    "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}},
                }],
            },
        });
        pod.to_string()
    }
}
