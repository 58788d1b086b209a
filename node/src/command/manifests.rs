//! The manifest directory of a node, as commands write to it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use podling_kubelet::source::{Written, decode};
use podling_runtime::layout::Layout;

use super::taken_up::PodKey;

/// What stands for standard input.
const STDIN: &str = "-";

/// An object of a manifest, as commands tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    kind: &'static str,
    /// None of an object that is in no namespace.
    namespace: Option<String>,
    name: String,
}

impl Named {
    fn of(written: &Written) -> Option<Self> {
        let (kind, is_in_namespace, metadata) = match written {
            Written::Pod(pod) => (POD, true, &pod.metadata),
            Written::ConfigMap(map) => ("configmap", true, &map.metadata),
            Written::Secret(secret) => ("secret", true, &secret.metadata),
            Written::PersistentVolume(volume) => ("persistentvolume", false, &volume.metadata),
            Written::PersistentVolumeClaim(claim) => {
                ("persistentvolumeclaim", true, &claim.metadata)
            }
            Written::RuntimeClass(class) => ("runtimeclass.node.k8s.io", false, &class.metadata),
            Written::CsiDriver(driver) => ("csidriver.storage.k8s.io", false, &driver.metadata),
            Written::ClusterTrustBundle(bundle) => (
                "clustertrustbundle.certificates.k8s.io",
                false,
                &bundle.metadata,
            ),
        };
        let namespace = metadata.namespace.as_deref().unwrap_or("default");
        Some(Self {
            kind,
            namespace: is_in_namespace.then(|| namespace.to_owned()),
            name: metadata.name.clone()?,
        })
    }

    /// The pod that it is.
    pub(super) fn pod(&self) -> Option<PodKey> {
        let namespace = self.namespace.clone().filter(|_| self.kind == POD)?;
        Some((namespace, self.name.clone()))
    }

    /// The name of the pod that it is, if it is one of this namespace.
    pub(super) fn pod_in(&self, namespace: &str) -> Option<&str> {
        let is_there = self.kind == POD && self.namespace.as_deref() == Some(namespace);
        is_there.then_some(self.name.as_str())
    }

    /// What is said of it when it has been deleted.
    pub(super) fn deleted(&self) -> String {
        let Self { kind, name, .. } = self;
        match &self.namespace {
            Some(namespace) => format!("{kind} {name:?} deleted from {namespace} namespace"),
            None => format!("{kind} {name:?} deleted"),
        }
    }
}

/// `pod/web`.
impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

const POD: &str = "pod";

/// The directory that was given, or the node's.
pub(super) fn directory(layout: &Layout, given: Option<&PathBuf>) -> PathBuf {
    let usual = || layout.root().join("etc/podling/manifests");
    given.cloned().unwrap_or_else(usual)
}

/// What a manifest holds; what is no manifest is refused before it gets anywhere.
pub(super) fn named(file: &Path, text: &str) -> Result<Vec<Named>, String> {
    let objects = decode(text).map_err(|error| format!("{}: {error}", file.display()))?;
    let named: Vec<_> = objects
        .iter()
        .filter_map(|one| Named::of(&one.written))
        .collect();
    if named.is_empty() {
        return Err(format!("{}: nothing with a name", file.display()));
    }
    Ok(named)
}

/// What each manifest of a directory holds; what is none there is passed over, as the kubelet does.
///
/// # Errors
///
/// The directory cannot be read. One that is not there is empty.
pub(super) fn all(directory: &Path) -> io::Result<BTreeMap<PathBuf, Vec<Named>>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let mut all = BTreeMap::new();
    for entry in entries {
        let file = entry?.path();
        let is_hidden = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with('.');
        if file.file_name().is_some_and(is_hidden) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap_or_default();
        if let Ok(named) = named(&file, &text) {
            all.insert(file, named);
        }
    }
    Ok(all)
}

/// The text of a file, or of standard input.
pub(super) fn read(file: &Path) -> io::Result<String> {
    if file == Path::new(STDIN) {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    fs::read_to_string(file)
}

/// The file's own name, or what it holds first for standard input.
pub(super) fn file_name(file: &Path, named: &[Named]) -> Result<PathBuf, String> {
    if file == Path::new(STDIN) {
        let first = named.first().ok_or("standard input names no pod")?;
        return Ok(format!("{}-{}.yaml", first.kind, first.name).into());
    }
    let name = file.file_name().map(PathBuf::from);
    name.ok_or_else(|| format!("{} is no file", file.display()))
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
