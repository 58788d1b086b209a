//! From the text of a manifest file to the static pods in it, or all that is wrong with it.
#![deny(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;

use crate::model::{Pod, PodName, PodOrigin};

use super::{
    DecodeError, Decoded, NodeIdentity, Problem, convert, decode, identify, not_handled,
    set_defaults,
};

/// A pod read from a manifest, and what of the manifest has no effect.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadPod {
    /// The pod.
    pub pod: Arc<Pod>,
    /// One sentence for each field that is unknown or not handled yet.
    pub warnings: Vec<String>,
}

/// Why a manifest is of no use.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum ManifestError {
    /// It is not the YAML of pods.
    #[error("{}:{}: {}", .file.display(), .source.line, .source.message)]
    Decode {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// A pod in it is invalid.
    #[error("{}: pod {pod:?} is invalid: {}", .file.display(), sentence(.problems))]
    Invalid {
        /// Which file.
        file: PathBuf,
        /// The pod's name as written.
        pod: String,
        /// Everything that is wrong with it.
        problems: Vec<Problem>,
    },
}

/// Reads all pods of a manifest; one bad pod makes the whole file bad.
pub fn read_manifest(
    file: &Path,
    text: &str,
    node: &NodeIdentity,
    seen: Timestamp,
) -> Result<Vec<ReadPod>, ManifestError> {
    let decoded = decode(text).map_err(|source| ManifestError::Decode {
        file: file.to_owned(),
        source,
    })?;
    decoded
        .into_iter()
        .map(|decoded| read_pod(file, decoded, node, seen))
        .collect()
}

fn read_pod(
    file: &Path,
    decoded: Decoded,
    node: &NodeIdentity,
    seen: Timestamp,
) -> Result<ReadPod, ManifestError> {
    let Decoded { mut pod, unknown } = decoded;
    let written_name = pod.metadata.name.clone().unwrap_or_default();
    let not_handled = not_handled(&pod);
    set_defaults(&mut pod);
    identify(&mut pod, node, file, seen);
    let spec = convert(&pod).map_err(|problems| ManifestError::Invalid {
        file: file.to_owned(),
        pod: written_name,
        problems,
    })?;
    let unknown = unknown
        .into_iter()
        .map(|field| format!("unknown field {field} is ignored"));
    let not_handled = not_handled
        .into_iter()
        .map(|field| format!("{field} is not handled yet and has no effect"));
    let warnings = unknown.chain(not_handled).collect();
    Ok(ReadPod {
        pod: Arc::new(assemble(file, pod, spec, seen)),
        warnings,
    })
}

fn assemble(file: &Path, pod: core::Pod, spec: crate::model::PodSpec, seen: Timestamp) -> Pod {
    let metadata = &pod.metadata;
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    Pod {
        uid: text(&metadata.uid).into(),
        name: PodName::new(&text(&metadata.namespace), &text(&metadata.name)),
        labels: metadata.labels.clone().unwrap_or_default(),
        annotations: metadata.annotations.clone().unwrap_or_default(),
        origin: PodOrigin::File(file.to_owned()),
        seen_at: seen,
        spec,
        manifest: Arc::new(pod),
    }
}

fn sentence(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<ReadPod>, ManifestError> {
        let node = NodeIdentity {
            node_name: "node".to_owned(),
        };
        read_manifest(Path::new("/m/web.yaml"), text, &node, Timestamp::UNIX_EPOCH)
    }

    const WEB: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: web}}\nspec:\n  \
                       containers:\n  - {name: web, image: 'nginx:1'}\n";

    #[test]
    fn a_manifest_becomes_a_static_pod() {
        let pods = read(WEB).unwrap();
        let pod = &pods[0].pod;
        assert_eq!(pod.name.to_string(), "default/web-node");
        assert_eq!(pod.labels["app"], "web");
        assert_eq!(pod.annotations["kubernetes.io/config.source"], "file");
        assert_eq!(pods[0].warnings, Vec::<String>::new());
    }

    #[test]
    fn what_has_no_effect_is_told() {
        let text =
            format!("{WEB}    livenessProbe: {{exec: {{command: [true]}}}}\n  colour: blue\n")
                .replace(
                    "- {name: web, image: 'nginx:1'}",
                    "- name: web\n    image: nginx:1",
                );
        assert_eq!(
            read(&text).unwrap()[0].warnings,
            [
                "unknown field spec.colour is ignored",
                "spec.containers[0].livenessProbe is not handled yet and has no effect"
            ]
        );
    }

    #[test]
    fn an_error_names_the_file_and_what_is_wrong() {
        let broken = read("apiVersion: v1\nkind: Pod\nspec: {\n")
            .unwrap_err()
            .to_string();
        assert!(broken.starts_with("/m/web.yaml:"), "{broken}");
        let invalid = read(&WEB.replace("nginx:1", "")).unwrap_err().to_string();
        assert_eq!(
            invalid,
            "/m/web.yaml: pod \"web\" is invalid: spec.containers[0].image: Required value"
        );
    }
}
