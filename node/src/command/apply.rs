//! `podling apply -f` and `podling delete -f`: pods of manifests, by their files.
//!
//! A node's pods are the files of its manifest directory. `apply` puts a file there under its own name,
//! whole or not at all; `delete` takes it away.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use podling_kubelet::source::{Written, decode};
use podling_runtime::layout::Layout;

use super::{Outcome, output};
use crate::args::FileArguments;

/// What stands for standard input.
const STDIN: &str = "-";

pub(super) fn apply(layout: &Layout, arguments: &FileArguments) -> Outcome {
    let directory = manifests(layout, arguments);
    for file in &arguments.files {
        let text = read(file)?;
        let names = names(file, &text)?;
        let target = directory.join(file_name(file, &names)?);
        let verb = match fs::read_to_string(&target) {
            Ok(there) if there == text => "unchanged",
            Ok(_) => "configured",
            Err(_) => "created",
        };
        if verb != "unchanged" {
            write(&target, &text)?;
        }
        for name in names {
            output::print(&format!("{name} {verb}\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn delete(layout: &Layout, arguments: &FileArguments) -> Outcome {
    let directory = manifests(layout, arguments);
    for file in &arguments.files {
        // The file may be gone: its name is what counts. Standard input has only its pods' names.
        let text = read(file).unwrap_or_default();
        let names = names(file, &text).unwrap_or_default();
        let target = directory.join(file_name(file, &names)?);
        let there = fs::read_to_string(&target)
            .map_err(|error| format!("cannot delete {}: {error}", target.display()))?;
        fs::remove_file(&target)?;
        for name in self::names(&target, &there).unwrap_or_default() {
            output::print(&format!("{name} deleted\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn manifests(layout: &Layout, arguments: &FileArguments) -> PathBuf {
    let given = arguments.manifests.clone();
    given.unwrap_or_else(|| layout.root().join("etc/podling/manifests"))
}

fn read(file: &Path) -> io::Result<String> {
    if file == Path::new(STDIN) {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    fs::read_to_string(file)
}

/// What a manifest holds, as `pod/web`; what is no manifest is refused before it gets anywhere.
fn names(file: &Path, text: &str) -> Result<Vec<String>, String> {
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

fn name(written: &Written) -> Option<String> {
    let (kind, metadata) = match written {
        Written::Pod(pod) => ("pod", &pod.metadata),
        Written::ConfigMap(map) => ("configmap", &map.metadata),
        Written::Secret(secret) => ("secret", &secret.metadata),
        Written::PersistentVolume(volume) => ("persistentvolume", &volume.metadata),
        Written::PersistentVolumeClaim(claim) => ("persistentvolumeclaim", &claim.metadata),
        Written::RuntimeClass(class) => ("runtimeclass", &class.metadata),
    };
    Some(format!("{kind}/{}", metadata.name.as_ref()?))
}

/// The file's own name, or what it holds first for standard input.
fn file_name(file: &Path, names: &[String]) -> Result<PathBuf, String> {
    if file == Path::new(STDIN) {
        let first = names.first().ok_or("standard input names no pod")?;
        return Ok(format!("{}.yaml", first.replace('/', "-")).into());
    }
    let name = file.file_name().map(PathBuf::from);
    name.ok_or_else(|| format!("{} is no file", file.display()))
}

/// Hidden while it is written: the kubelet passes over names that begin with a dot.
fn write(target: &Path, text: &str) -> io::Result<()> {
    let directory = target.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory)?;
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let hidden = directory.join(format!(".{name}.new"));
    let mut file = fs::File::create(&hidden)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(hidden, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: []}\n";

    fn arguments(file: &Path) -> FileArguments {
        FileArguments {
            files: vec![file.to_owned()],
            manifests: None,
        }
    }

    #[test]
    fn a_manifest_is_put_whole_into_the_directory_and_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path().join("root"));
        let file = folder.path().join("web.yaml");
        fs::write(&file, POD).unwrap();
        apply(&layout, &arguments(&file)).unwrap();
        let there = layout.root().join("etc/podling/manifests");
        assert_eq!(fs::read_to_string(there.join("web.yaml")).unwrap(), POD);
        assert_eq!(fs::read_dir(&there).unwrap().count(), 1);
        delete(&layout, &arguments(&file)).unwrap();
        assert_eq!(fs::read_dir(&there).unwrap().count(), 0);
        assert!(delete(&layout, &arguments(&file)).is_err());
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path().join("root"));
        for text in ["words", "apiVersion: v1\nkind: Service\n", ""] {
            let file = folder.path().join("x.yaml");
            fs::write(&file, text).unwrap();
            assert!(apply(&layout, &arguments(&file)).is_err(), "{text}");
        }
        assert!(!layout.root().join("etc").exists());
    }
}
