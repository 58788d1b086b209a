//! `podling apply -f`: pods of manifests, by their files.
//!
//! A node's pods are the files of its manifest directory. `apply` puts a file there under its own name,
//! whole or not at all, and returns when the kubelet has seen pods that are new.

use std::fs;
use std::process::ExitCode;

use podling_runtime::layout::Layout;

use super::taken_up::taken_up;
use super::{Outcome, manifests, output};
use crate::args::ApplyArguments;

pub(super) async fn run(layout: &Layout, arguments: &ApplyArguments) -> Outcome {
    let directory = manifests::directory(layout, arguments.manifests.as_ref());
    let mut new = Vec::new();
    for file in &arguments.files {
        let text = manifests::read(file)?;
        let named = manifests::named(file, &text)?;
        let target = directory.join(manifests::file_name(file, &named)?);
        let there = fs::read_to_string(&target);
        let verb = match &there {
            Ok(there) if *there == text => "unchanged",
            Ok(_) => "configured",
            Err(_) => "created",
        };
        let before = manifests::named(&target, &there.unwrap_or_default()).unwrap_or_default();
        let is_new = |one: &&manifests::Named| !before.contains(one);
        new.extend(
            named
                .iter()
                .filter(is_new)
                .filter_map(manifests::Named::pod),
        );
        if verb != "unchanged" {
            manifests::write(&target, &text)?;
        }
        for object in named {
            output::print(&format!("{object} {verb}\n"))?;
        }
    }
    taken_up(layout, &new).await;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: []}\n";

    fn arguments(file: &Path) -> ApplyArguments {
        ApplyArguments {
            files: vec![file.to_owned()],
            manifests: None,
        }
    }

    #[tokio::test]
    async fn a_manifest_is_put_whole_into_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path().join("root"));
        let file = folder.path().join("web.yaml");
        fs::write(&file, POD).unwrap();
        run(&layout, &arguments(&file)).await.unwrap();
        let there = layout.root().join("etc/podling/manifests");
        assert_eq!(fs::read_to_string(there.join("web.yaml")).unwrap(), POD);
        assert_eq!(fs::read_dir(&there).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn what_is_no_manifest_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path().join("root"));
        for text in ["words", "apiVersion: v1\nkind: Service\n", ""] {
            let file = folder.path().join("x.yaml");
            fs::write(&file, text).unwrap();
            let applied = run(&layout, &arguments(&file)).await;
            assert!(applied.is_err(), "{text}");
        }
        assert!(!layout.root().join("etc").exists());
    }
}
