//! From the text of a manifest to what it describes, or all that is wrong with it.
#![deny(clippy::disallowed_methods)]

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;

use crate::model::{Object, ObjectKey, Pod, PodName, PodOrigin};

use super::convert::object;
use super::decode::Written;
use super::{
    DecodeError, Decoded, NodeIdentity, Problem, convert, decode, identify, not_handled,
    set_defaults,
};

/// What a manifest describes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// Its pods.
    pub pods: Vec<ReadPod>,
    /// Its objects that pods refer to.
    pub objects: Vec<ReadObject>,
}

/// A pod read from a manifest, and what of the manifest has no effect.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadPod {
    /// The pod.
    pub pod: Arc<Pod>,
    /// One sentence for each field that is unknown or not handled yet.
    pub warnings: Vec<String>,
}

/// An object read from a manifest, and what of the manifest has no effect.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadObject {
    /// What it is and its name.
    pub key: ObjectKey,
    /// The object.
    pub object: Object,
    /// One sentence for each field that is unknown.
    pub warnings: Vec<String>,
}

/// Why a manifest is of no use.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum ManifestError {
    /// It is not the YAML of anything that may stand in it.
    #[error("{origin}:{}: {}", .source.line, .source.message)]
    Decode {
        /// Where it was read.
        origin: PodOrigin,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// Something in it is invalid.
    #[error("{origin}:{line}: {what} is invalid: {}", sentence(.problems))]
    Invalid {
        /// Where it was read.
        origin: PodOrigin,
        /// Where its document begins.
        line: u64,
        /// What it is, and its name as written.
        what: String,
        /// Everything that is wrong with it.
        problems: Vec<Problem>,
    },
}

/// Reads all of a manifest; one bad document makes the whole file bad.
pub fn read_manifest(
    origin: &PodOrigin,
    text: &str,
    node: &NodeIdentity,
    seen: Timestamp,
) -> Result<Manifest, ManifestError> {
    let decoded = decode(text).map_err(|source| ManifestError::Decode {
        origin: origin.clone(),
        source,
    })?;
    let mut manifest = Manifest::default();
    for Decoded {
        written,
        line,
        unknown,
    } in decoded
    {
        let unknown = unknown
            .into_iter()
            .map(|field| format!("unknown field {field} is ignored"))
            .collect();
        let invalid = |(what, problems): Invalid| ManifestError::Invalid {
            origin: origin.clone(),
            line,
            what,
            problems,
        };
        match written {
            Written::Pod(pod) => {
                let read = read_pod(origin, *pod, unknown, node, seen).map_err(invalid)?;
                manifest.pods.push(read);
            }
            written => {
                let read = object(written).map_err(invalid)?;
                manifest.objects.push(with_warnings(read, unknown));
            }
        }
    }
    Ok(manifest)
}

/// What something is, and what is wrong with it.
pub(super) type Invalid = (String, Vec<Problem>);

fn with_warnings((key, object): (ObjectKey, Object), unknown: Vec<String>) -> ReadObject {
    let warnings = unknown.iter().map(|one| format!("{key}: {one}")).collect();
    ReadObject {
        key,
        object,
        warnings,
    }
}

fn read_pod(
    origin: &PodOrigin,
    mut pod: core::Pod,
    unknown: Vec<String>,
    node: &NodeIdentity,
    seen: Timestamp,
) -> Result<ReadPod, Invalid> {
    let written_name = pod.metadata.name.clone().unwrap_or_default();
    let not_handled = not_handled(&pod);
    set_defaults(&mut pod);
    identify(&mut pod, node, origin, seen);
    let spec = convert(&pod).map_err(|problems| (format!("pod {written_name:?}"), problems))?;
    let not_handled = not_handled
        .into_iter()
        .map(|field| format!("{field} is not handled yet and has no effect"));
    let warnings = unknown.into_iter().chain(not_handled).collect();
    Ok(ReadPod {
        pod: Arc::new(assemble(origin, pod, spec, seen)),
        warnings,
    })
}

fn assemble(
    origin: &PodOrigin,
    pod: core::Pod,
    spec: crate::model::PodSpec,
    seen: Timestamp,
) -> Pod {
    let metadata = &pod.metadata;
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    Pod {
        uid: text(&metadata.uid).into(),
        name: PodName::new(&text(&metadata.namespace), &text(&metadata.name)),
        labels: metadata.labels.clone().unwrap_or_default(),
        annotations: metadata.annotations.clone().unwrap_or_default(),
        origin: origin.clone(),
        seen_at: seen,
        leaves_within: None,
        spec,
        resize: crate::model::Resize::default(),
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

    fn read(text: &str) -> Result<Manifest, ManifestError> {
        let node = NodeIdentity {
            node_name: "node".to_owned(),
        };
        let origin = PodOrigin::File("/m/web.yaml".into());
        read_manifest(&origin, text, &node, Timestamp::UNIX_EPOCH)
    }

    const WEB: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: web}}\nspec:\n  \
                       containers:\n  - {name: web, image: 'nginx:1'}\n";

    #[test]
    fn a_manifest_becomes_a_static_pod() {
        let pods = read(WEB).unwrap().pods;
        let pod = &pods[0].pod;
        assert_eq!(pod.name.to_string(), "default/web-node");
        assert_eq!(pod.labels["app"], "web");
        assert_eq!(pod.annotations["kubernetes.io/config.source"], "file");
        assert_eq!(pods[0].warnings, Vec::<String>::new());
    }

    #[test]
    fn what_has_no_effect_is_told() {
        let text = format!("{WEB}    lifecycle: {{stopSignal: SIGUSR1}}\n  colour: blue\n")
            .replace(
                "- {name: web, image: 'nginx:1'}",
                "- name: web\n    image: nginx:1",
            );
        assert_eq!(
            read(&text).unwrap().pods[0].warnings,
            [
                "unknown field spec.colour is ignored",
                "spec.containers[0].lifecycle.stopSignal is not handled yet and has no effect"
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
            "/m/web.yaml:1: pod \"web\" is invalid: spec.containers[0].image: Required value"
        );
    }

    #[test]
    fn objects_stand_beside_pods_and_are_named_when_they_are_wrong() {
        let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n";
        let manifest = read(&format!("{WEB}{map}data: {{colour: blue}}\nsize: 1\n")).unwrap();
        assert_eq!(manifest.pods.len(), 1);
        assert_eq!(
            manifest.objects[0].key.to_string(),
            "ConfigMap default/settings"
        );
        assert_eq!(
            manifest.objects[0].warnings,
            ["ConfigMap default/settings: unknown field size is ignored"]
        );
        let invalid = read(&format!("{WEB}{map}data: {{'a/b': blue}}\n"));
        let invalid = invalid.unwrap_err().to_string();
        assert!(
            invalid.starts_with("/m/web.yaml:8: ConfigMap \"settings\" is invalid: data[a/b]: "),
            "{invalid}"
        );
    }
}
