//! `podling apply -f` and `podling delete -f`: pods of manifests, by their files.
//!
//! A node's pods are the files of its manifest directory. `apply` puts a file there under its own name,
//! whole or not at all, and returns when the kubelet has seen pods that are new; `delete` takes it away.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use podling_runtime::layout::Layout;

use super::taken_up::taken_up;
use super::{Outcome, manifests, output};
use crate::args::FileArguments;

/// What stands for standard input.
const STDIN: &str = "-";

pub(super) async fn apply(layout: &Layout, arguments: &FileArguments) -> Outcome {
    let directory = manifests::directory(layout, arguments.manifests.as_ref());
    let mut new = Vec::new();
    for file in &arguments.files {
        let text = read(file)?;
        let names = manifests::names(file, &text)?;
        let target = directory.join(file_name(file, &names)?);
        let there = fs::read_to_string(&target);
        let verb = match &there {
            Ok(there) if *there == text => "unchanged",
            Ok(_) => "configured",
            Err(_) => "created",
        };
        let before = there.map(|there| manifests::pods(&there));
        let before = before.unwrap_or_default();
        let pods = manifests::pods(&text).into_iter();
        new.extend(pods.filter(|pod| !before.contains(pod)));
        if verb != "unchanged" {
            manifests::write(&target, &text)?;
        }
        for name in names {
            output::print(&format!("{name} {verb}\n"))?;
        }
    }
    taken_up(layout, &new).await;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn delete(layout: &Layout, arguments: &FileArguments) -> Outcome {
    let directory = manifests::directory(layout, arguments.manifests.as_ref());
    for file in &arguments.files {
        // The file may be gone: its name is what counts. Standard input has only its pods' names.
        let text = read(file).unwrap_or_default();
        let names = manifests::names(file, &text).unwrap_or_default();
        let target = directory.join(file_name(file, &names)?);
        let there = fs::read_to_string(&target)
            .map_err(|error| format!("cannot delete {}: {error}", target.display()))?;
        fs::remove_file(&target)?;
        for name in manifests::names(&target, &there).unwrap_or_default() {
            output::print(&format!("{name} deleted\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> io::Result<String> {
    if file == Path::new(STDIN) {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    fs::read_to_string(file)
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

    #[tokio::test]
    async fn a_manifest_is_put_whole_into_the_directory_and_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path().join("root"));
        let file = folder.path().join("web.yaml");
        fs::write(&file, POD).unwrap();
        apply(&layout, &arguments(&file)).await.unwrap();
        let there = layout.root().join("etc/podling/manifests");
        assert_eq!(fs::read_to_string(there.join("web.yaml")).unwrap(), POD);
        assert_eq!(fs::read_dir(&there).unwrap().count(), 1);
        delete(&layout, &arguments(&file)).unwrap();
        assert_eq!(fs::read_dir(&there).unwrap().count(), 0);
        assert!(delete(&layout, &arguments(&file)).is_err());
    }

    #[tokio::test]
    async fn what_is_no_manifest_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path().join("root"));
        for text in ["words", "apiVersion: v1\nkind: Service\n", ""] {
            let file = folder.path().join("x.yaml");
            fs::write(&file, text).unwrap();
            let applied = apply(&layout, &arguments(&file)).await;
            assert!(applied.is_err(), "{text}");
        }
        assert!(!layout.root().join("etc").exists());
    }
}
