//! What was added to pods while they run: ephemeral containers.
//!
//! ```text
//! POST …/ephemeralcontainers ─► check ─► <root>/pods/<uid>/ephemeral.json ─► Input::Added
//! source ─► pod of its manifest ─────────────────┴─► complete ─► worker
//! ```
//!
//! A manifest says nothing of them, and the pod's UID stays. The file is what counts: a kubelet that
//! starts again finds them there, and they go with the pod's directory.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use k8s_openapi::api::core::v1 as core;

use crate::layout::Layout;
use crate::model::{Pod, PodUid};
use crate::source::{Problem, convert_ephemeral, default_ephemeral};
use crate::sync::Additions as Role;

/// Why something cannot be added.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddError {
    /// It is invalid.
    #[error("Pod {pod:?} is invalid: {}", sentence(.problems))]
    Invalid {
        /// The pod's name.
        pod: String,
        /// Everything that is wrong with it.
        problems: Vec<Problem>,
    },
    /// The pod has nothing on this node, as before its start and after its end.
    #[error("pod {0:?} has not been started")]
    NotStarted(String),
    /// It cannot be kept.
    #[error("cannot keep it in {file}")]
    Keep {
        /// Where.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The additions of all pods, each pod's in its directory.
pub struct Additions {
    layout: Layout,
    /// Held while a file is read and written again; never across an await.
    writing: Mutex<()>,
}

impl Additions {
    /// Those below this layout.
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            writing: Mutex::new(()),
        }
    }

    /// Adds a container to a pod as it is shown; how the pod is then shown.
    pub(crate) fn add(
        &self,
        uid: &PodUid,
        shown: &core::Pod,
        container: core::EphemeralContainer,
    ) -> Result<core::Pod, AddError> {
        let _writing = self
            .writing
            .lock()
            .expect("no holder of this lock can panic");
        let name = shown.metadata.name.clone().unwrap_or_default();
        let file = self.layout.ephemeral_containers(uid);
        let keep = |source| AddError::Keep {
            file: file.clone(),
            source,
        };
        let mut list = read(&file).map_err(keep)?;
        list.push(container);
        let with = with(shown, list.clone());
        if let Err(problems) = convert_ephemeral(&with) {
            return Err(AddError::Invalid {
                pod: name,
                problems,
            });
        }
        match replace(&file, &list) {
            Ok(()) => Ok(with),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(AddError::NotStarted(name))
            }
            Err(error) => Err(keep(error)),
        }
    }
}

impl Role for Additions {
    fn complete(&self, pod: Arc<Pod>) -> Arc<Pod> {
        let file = self.layout.ephemeral_containers(&pod.uid);
        let list = match read(&file) {
            Ok(list) if list.is_empty() => return pod,
            Ok(list) => list,
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "additions of a pod cannot be read");
                return pod;
            }
        };
        let manifest = with(&pod.manifest, list);
        match convert_ephemeral(&manifest) {
            Ok(containers) => {
                let mut pod = Pod::clone(&pod);
                pod.spec.ephemeral_containers = containers;
                pod.manifest = Arc::new(manifest);
                Arc::new(pod)
            }
            Err(problems) => {
                let problems = sentence(&problems);
                tracing::warn!(file = %file.display(), %problems, "additions of a pod are passed over");
                pod
            }
        }
    }
}

/// A pod with these ephemeral containers and no others.
fn with(pod: &core::Pod, list: Vec<core::EphemeralContainer>) -> core::Pod {
    let mut pod = pod.clone();
    pod.spec.get_or_insert_default().ephemeral_containers = Some(list);
    default_ephemeral(&mut pod);
    pod
}

fn read(file: &Path) -> io::Result<Vec<core::EphemeralContainer>> {
    match fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Whole or not at all. A pod without a directory is not there.
fn replace(file: &Path, list: &[core::EphemeralContainer]) -> io::Result<()> {
    let draft = file.with_extension("new");
    let mut opened = File::create(&draft)?;
    opened.write_all(&serde_json::to_vec(list)?)?;
    opened.sync_all()?;
    fs::rename(draft, file)
}

fn sentence(problems: &[Problem]) -> String {
    let sentences: Vec<_> = problems.iter().map(ToString::to_string).collect();
    sentences.join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;
    use crate::model::RestartPolicy;
    use crate::plan::fixture;

    fn stage() -> (TempDir, Additions, Arc<Pod>) {
        let root = TempDir::new().unwrap();
        let layout = Layout::new(root.path(), &root.path().join("logs"));
        let mut pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
        let manifest = json!({
            "metadata": { "name": "web-node", "namespace": "default" },
            "spec": { "containers": [{ "name": "web", "image": "web:1" }] },
        });
        pod.manifest = Arc::new(serde_json::from_value(manifest).unwrap());
        fs::create_dir_all(layout.pod(&pod.uid)).unwrap();
        (root, Additions::new(layout), Arc::new(pod))
    }

    fn container(value: serde_json::Value) -> core::EphemeralContainer {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_was_added_is_there_again_for_the_next_kubelet() {
        let (_root, additions, pod) = stage();
        assert_eq!(additions.complete(Arc::clone(&pod)), pod);
        for name in ["a", "b"] {
            let added = container(json!({
                "name": name, "image": "box:1", "targetContainerName": "web", "tty": true,
            }));
            additions.add(&pod.uid, &pod.manifest, added).unwrap();
        }
        let next = Additions::new(additions.layout);
        let completed = next.complete(Arc::clone(&pod));
        let names: Vec<_> = completed
            .spec
            .ephemeral_containers
            .iter()
            .map(|one| {
                (
                    one.container.name.as_str(),
                    one.target.as_ref().map(|name| name.as_str()),
                )
            })
            .collect();
        assert_eq!(names, [("a", Some("web")), ("b", Some("web"))]);
        let shown = completed.manifest.spec.as_ref().unwrap();
        let shown = shown.ephemeral_containers.as_ref().unwrap();
        assert_eq!(shown[0].image_pull_policy.as_deref(), Some("IfNotPresent"));
        assert_eq!(completed.uid, pod.uid);
    }

    #[test]
    fn what_is_invalid_is_refused_with_everything_that_is_wrong() {
        let (_root, additions, pod) = stage();
        let added = container(json!({
            "name": "web", "image": "box:1", "targetContainerName": "x",
            "ports": [{ "containerPort": 80 }],
        }));
        let refused = additions.add(&pod.uid, &pod.manifest, added).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "Pod \"web-node\" is invalid: \
             spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container; \
             spec.ephemeralContainers[0].name: Duplicate value: \"web\"; \
             spec.ephemeralContainers[0].targetContainerName: Not found: \"x\""
        );
        assert_eq!(additions.complete(Arc::clone(&pod)), pod);
    }

    #[test]
    fn a_pod_that_is_not_there_gets_nothing() {
        let (root, additions, pod) = stage();
        fs::remove_dir_all(root.path().join("pods")).unwrap();
        let added = container(json!({ "name": "a", "image": "box:1" }));
        let refused = additions.add(&pod.uid, &pod.manifest, added).unwrap_err();
        assert!(matches!(refused, AddError::NotStarted(_)), "{refused}");
    }
}
