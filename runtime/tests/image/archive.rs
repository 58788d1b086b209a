//! Small images, made in memory.

use std::io::Write;

use podling_runtime::image::digest::Digest;
use serde_json::{Value, json};

#[derive(Clone, Copy)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) archive: Vec<u8>,
    pub(crate) blob: Vec<u8>,
    oci_type: &'static str,
}

/// An image: its layers, and how its documents are written.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) layers: Vec<Layer>,
    architecture: String,
    is_docker: bool,
}

impl Image {
    pub(crate) fn new() -> Self {
        Self {
            layers: Vec::new(),
            architecture: crate::ARCH.into(),
            is_docker: false,
        }
    }

    pub(crate) fn layer(self, files: &[(&str, &str)], compression: Compression) -> Self {
        self.raw_layer(archive(files), compression)
    }

    pub(crate) fn raw_layer(mut self, archive: Vec<u8>, compression: Compression) -> Self {
        let (blob, oci_type) = match compression {
            Compression::None => (archive.clone(), "application/vnd.oci.image.layer.v1.tar"),
            Compression::Gzip => (
                gzip(&archive),
                "application/vnd.oci.image.layer.v1.tar+gzip",
            ),
            Compression::Zstd => (
                zstd::encode_all(&archive[..], 3).unwrap(),
                "application/vnd.oci.image.layer.v1.tar+zstd",
            ),
        };
        self.layers.push(Layer {
            archive,
            blob,
            oci_type,
        });
        self
    }

    pub(crate) fn architecture(mut self, architecture: &str) -> Self {
        self.architecture = architecture.into();
        self
    }

    pub(crate) fn docker(mut self) -> Self {
        self.is_docker = true;
        self
    }

    pub(crate) fn config(&self) -> Vec<u8> {
        let diff_ids: Vec<Value> = self
            .layers
            .iter()
            .map(|layer| Digest::of(&layer.archive).as_str().into())
            .collect();
        let config = json!({
            "architecture": self.architecture, "os": "linux",
            "config": {"Cmd": ["/app/content"], "User": "web"},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        config.to_string().into_bytes()
    }

    pub(crate) fn manifest(&self) -> Value {
        let (media_type, config_type) = if self.is_docker {
            (
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.container.image.v1+json",
            )
        } else {
            (
                "application/vnd.oci.image.manifest.v1+json",
                "application/vnd.oci.image.config.v1+json",
            )
        };
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|layer| {
                let docker = "application/vnd.docker.image.rootfs.diff.tar.gzip";
                descriptor(
                    if self.is_docker {
                        docker
                    } else {
                        layer.oci_type
                    },
                    &layer.blob,
                )
            })
            .collect();
        json!({
            "schemaVersion": 2, "mediaType": media_type,
            "config": descriptor(config_type, &self.config()), "layers": layers,
        })
    }

    /// Everything the manifest names.
    pub(crate) fn blobs(&self) -> Vec<Vec<u8>> {
        let layers = self.layers.iter().map(|layer| layer.blob.clone());
        std::iter::once(self.config()).chain(layers).collect()
    }
}

pub(crate) fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(content).as_str(), "size": content.len()})
}

pub(crate) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        add(&mut builder, name, content.as_bytes());
    }
    builder.into_inner().unwrap()
}

pub(crate) fn add(builder: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    builder.append_data(&mut header, name, content).unwrap();
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
