//! The manifest directory of a node, as commands write to it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use podling_kubelet::source::{Written, decode};
use podling_runtime::layout::Layout;

use super::taken_up::PodKey;

/// The directory that was given, or the node's.
pub(super) fn directory(layout: &Layout, given: Option<&PathBuf>) -> PathBuf {
    let usual = || layout.root().join("etc/podling/manifests");
    given.cloned().unwrap_or_else(usual)
}

/// What a manifest holds, as `pod/web`; what is no manifest is refused before it gets anywhere.
pub(super) fn names(file: &Path, text: &str) -> Result<Vec<String>, String> {
    let objects = decode(text).map_err(|error| format!("{}: {error}", file.display()))?;
    let names: Vec<_> = objects
        .iter()
        .filter_map(|one| name(&one.written))
        .collect();
    if names.is_empty() {
        return Err(format!("{}: nothing with a name", file.display()));
    }
    Ok(names)
}

/// The pods of a manifest; none of what is no manifest.
pub(super) fn pods(text: &str) -> Vec<PodKey> {
    let objects = decode(text).unwrap_or_default();
    let pods = objects.iter().filter_map(|one| match &one.written {
        Written::Pod(pod) => {
            let metadata = &pod.metadata;
            let namespace = metadata.namespace.as_deref().unwrap_or("default");
            Some((namespace.to_owned(), metadata.name.clone()?))
        }
        _ => None,
    });
    pods.collect()
}

fn name(written: &Written) -> Option<String> {
    let (kind, metadata) = match written {
        Written::Pod(pod) => ("pod", &pod.metadata),
        Written::ConfigMap(map) => ("configmap", &map.metadata),
        Written::Secret(secret) => ("secret", &secret.metadata),
        Written::PersistentVolume(volume) => ("persistentvolume", &volume.metadata),
        Written::PersistentVolumeClaim(claim) => ("persistentvolumeclaim", &claim.metadata),
        Written::RuntimeClass(class) => ("runtimeclass", &class.metadata),
        Written::CsiDriver(driver) => ("csidriver", &driver.metadata),
        Written::ClusterTrustBundle(bundle) => ("clustertrustbundle", &bundle.metadata),
    };
    Some(format!("{kind}/{}", metadata.name.as_ref()?))
}

/// Writes a manifest whole or not at all: the kubelet passes over names that begin with a dot.
pub(super) fn write(target: &Path, text: &str) -> io::Result<()> {
    let directory = target.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory)?;
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let hidden = directory.join(format!(".{name}.new"));
    let mut file = fs::File::create(&hidden)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(hidden, target)
}
