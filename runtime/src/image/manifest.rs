//! Manifests and indexes of the OCI image and docker schema 2 formats, decoded totally.
//!
//! A document that could be read as both a manifest and an index is refused: two programs would
//! run two different images under one digest. Layers that live elsewhere (`urls`) are refused too:
//! nothing is ever fetched from an address that an image names.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use serde::Deserialize;

use super::digest::Digest;
use super::platform::Platform;

/// Media types asked of a registry, best first.
pub const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";
const INDEX_TYPES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const MANIFEST_TYPES: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
const LAYER_TYPES: [&str; 4] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
];
/// Configurations of images; some builders leave the type out or name none.
const CONFIG_TYPES: [&str; 4] = [
    "",
    "application/octet-stream",
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];
/// What overlayfs stacks at most.
const MAX_LAYERS: usize = 500;

/// What a registry or an archive answers to a reference.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// The same image for several platforms.
    Index(Vec<Descriptor>),
    /// One image.
    Manifest(Manifest),
}

/// One image: its configuration and its layers, bottom first.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The configuration.
    pub config: Descriptor,
    /// The layers, bottom first.
    pub layers: Vec<Descriptor>,
    /// What it says about the image.
    pub annotations: BTreeMap<String, String>,
}

/// A reference to content by digest.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    #[serde(default)]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Other places that have it; never used.
    #[serde(default)]
    pub urls: Vec<String>,
    /// In an index: what it runs on.
    #[serde(default)]
    pub platform: Platform,
    /// Annotations; an OCI layout names its images in them.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// Why a document is not an image.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON of the right shape.
    #[error("the manifest cannot be read")]
    Json(#[source] serde_json::Error),
    /// Readable as two different things.
    #[error("the document is both a manifest and an index, which is never right")]
    Ambiguous,
    /// A docker schema 1 document or something unknown.
    #[error(
        "manifest format {0:?} is not supported: rebuild or push the image with a current tool"
    )]
    UnsupportedFormat(String),
    /// An artifact that is no container image.
    #[error("this is an artifact of type {0:?}, not a container image")]
    Artifact(String),
    /// Layers that are none of a container image.
    #[error("layer of type {0:?}: this is not a container image")]
    NotAnImage(String),
    /// A layer that must be fetched from somewhere else.
    #[error("layer {0} lives outside of the registry (foreign layer), which is refused")]
    ForeignLayer(Digest),
    /// More layers than can be mounted.
    #[error("{0} layers: at most {MAX_LAYERS} can be mounted")]
    TooManyLayers(usize),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: u64,
    #[serde(default)]
    media_type: String,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    artifact_type: String,
    annotations: Option<BTreeMap<String, String>>,
}

/// Reads a manifest or an index.
pub fn parse(document: &[u8]) -> Result<Document, ManifestError> {
    let raw: Raw = serde_json::from_slice(document).map_err(ManifestError::Json)?;
    if raw.schema_version != 2 {
        return Err(ManifestError::UnsupportedFormat(format!(
            "schema {}",
            raw.schema_version
        )));
    }
    let media_type = raw.media_type.as_str();
    match (raw.config, raw.layers, raw.manifests) {
        (None, None, Some(manifests)) => {
            check_type(media_type, &INDEX_TYPES, &MANIFEST_TYPES)?;
            Ok(Document::Index(manifests))
        }
        (Some(config), Some(layers), None) => {
            check_type(media_type, &MANIFEST_TYPES, &INDEX_TYPES)?;
            check_config(&config, &raw.artifact_type)?;
            check_layers(&layers)?;
            Ok(Document::Manifest(Manifest {
                config,
                layers,
                annotations: raw.annotations.unwrap_or_default(),
            }))
        }
        (_, _, Some(_)) => Err(ManifestError::Ambiguous),
        _ => Err(ManifestError::UnsupportedFormat(raw.media_type)),
    }
}

/// The entry of an index that runs best on `host`.
pub fn select<'a>(entries: &'a [Descriptor], host: &Platform) -> Option<&'a Descriptor> {
    entries
        .iter()
        .filter(|entry| is_image_or_index(&entry.media_type))
        .filter_map(|entry| Some((host.rank(&entry.platform)?, entry)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, entry)| entry)
}

fn is_image_or_index(media_type: &str) -> bool {
    media_type.is_empty()
        || MANIFEST_TYPES.contains(&media_type)
        || INDEX_TYPES.contains(&media_type)
}

fn check_type(named: &str, right: &[&str], wrong: &[&str]) -> Result<(), ManifestError> {
    if named.is_empty() || right.contains(&named) {
        Ok(())
    } else if wrong.contains(&named) {
        Err(ManifestError::Ambiguous)
    } else {
        Err(ManifestError::UnsupportedFormat(named.to_owned()))
    }
}

/// An artifact names its type in `artifactType` or, in the older way, as that of its configuration.
fn check_config(config: &Descriptor, artifact_type: &str) -> Result<(), ManifestError> {
    if CONFIG_TYPES.contains(&config.media_type.as_str()) {
        return Ok(());
    }
    let named = [artifact_type, &config.media_type];
    let named = named.into_iter().find(|name| !name.is_empty());
    Err(ManifestError::Artifact(
        named.unwrap_or_default().to_owned(),
    ))
}

fn check_layers(layers: &[Descriptor]) -> Result<(), ManifestError> {
    if layers.len() > MAX_LAYERS {
        return Err(ManifestError::TooManyLayers(layers.len()));
    }
    for layer in layers {
        let format = layer.media_type.split(['+']).next().unwrap_or_default();
        let format = format.strip_suffix(".gzip").unwrap_or(format);
        if !LAYER_TYPES.contains(&format) {
            return Err(ManifestError::NotAnImage(layer.media_type.clone()));
        }
        if !layer.urls.is_empty() {
            return Err(ManifestError::ForeignLayer(layer.digest.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn descriptor(media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": Digest::of(b"x").as_str(), "size": 1})
    }

    fn parse_json(value: &Value) -> Result<Document, ManifestError> {
        parse(value.to_string().as_bytes())
    }

    fn manifest_with(layer: &Value) -> Value {
        json!({"schemaVersion": 2, "config": descriptor(CONFIG_TYPES[2]), "layers": [layer]})
    }

    #[test]
    fn layers_of_every_image_format_are_read() {
        for media_type in [
            "application/vnd.oci.image.layer.v1.tar",
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "application/vnd.docker.image.rootfs.diff.tar",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        ] {
            assert!(
                parse_json(&manifest_with(&descriptor(media_type))).is_ok(),
                "{media_type}"
            );
        }
    }

    #[test]
    fn a_document_that_is_two_things_is_refused() {
        let layer = descriptor(LAYER_TYPES[0]);
        let mut both = manifest_with(&layer);
        both["manifests"] = json!([]);
        assert!(matches!(parse_json(&both), Err(ManifestError::Ambiguous)));
        let mut posing = manifest_with(&layer);
        posing["mediaType"] = INDEX_TYPES[0].into();
        assert!(matches!(parse_json(&posing), Err(ManifestError::Ambiguous)));
        let twice = br#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#;
        assert!(matches!(parse(twice), Err(ManifestError::Json(_))));
    }

    #[test]
    fn a_layer_that_lives_elsewhere_is_refused() {
        let mut layer = descriptor(LAYER_TYPES[3]);
        layer["urls"] = json!(["http://example.com/layer"]);
        assert!(matches!(
            parse_json(&manifest_with(&layer)),
            Err(ManifestError::ForeignLayer(_))
        ));
    }

    #[test]
    fn what_is_no_image_is_named() {
        let chart = manifest_with(&descriptor(
            "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
        ));
        assert!(parse_json(&chart).unwrap_err().to_string().contains("helm"));
        let mut artifact = manifest_with(&descriptor(LAYER_TYPES[0]));
        artifact["config"] = descriptor("application/vnd.oci.empty.v1+json");
        artifact["artifactType"] = "application/vnd.example.sbom".into();
        let refused = parse_json(&artifact).unwrap_err().to_string();
        assert!(refused.contains("vnd.example.sbom"), "{refused}");
        artifact["artifactType"] = "".into();
        let refused = parse_json(&artifact).unwrap_err().to_string();
        assert!(refused.contains("vnd.oci.empty"), "{refused}");
        let schema1 = json!({"schemaVersion": 1, "fsLayers": []});
        assert!(
            parse_json(&schema1)
                .unwrap_err()
                .to_string()
                .contains("schema 1")
        );
    }

    #[test]
    fn attestations_are_passed_over_in_an_index() {
        let host = Platform {
            os: "linux".into(),
            architecture: "amd64".into(),
            variant: String::new(),
        };
        let entry = |os: &str, architecture: &str, content: &[u8]| Descriptor {
            media_type: MANIFEST_TYPES[0].into(),
            digest: Digest::of(content),
            size: 1,
            urls: Vec::new(),
            platform: Platform {
                os: os.into(),
                architecture: architecture.into(),
                variant: String::new(),
            },
            annotations: BTreeMap::new(),
        };
        let entries = [
            entry("unknown", "unknown", b"a"),
            entry("", "", b"b"),
            entry("linux", "amd64", b"c"),
        ];
        assert_eq!(select(&entries, &host), Some(&entries[2]));
        assert_eq!(select(&entries[..2], &host), Some(&entries[1]));
        assert_eq!(select(&entries[..1], &host), None);
    }
}
