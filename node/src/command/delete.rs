//! `podling delete`: manifests leave the node's directory, by their files or by the names of their pods.
//!
//! ```text
//! files ──────────────────────────────────────────────────────┬─► removed ─► their pods have gone
//! names ─► the manifests that hold these pods and nothing else ─┘
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use podling_runtime::layout::Layout;

use super::manifests::{self, Named};
use super::until::{UntilError, one, until};
use super::{Outcome, output};
use crate::args::DeleteArguments;
use crate::kubelet::Kubelet;
use crate::kubelet::pod::{self, ChoiceError, Pod};
use crate::resource::{Resource, bare_name};

/// What each file holds.
type Manifests = BTreeMap<PathBuf, Vec<Named>>;

/// Why the manifest of a pod is not removed.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// Only kinds were named.
    #[error("resource(s) were provided, but no name was specified")]
    NoName,
    /// Nothing is called so.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    /// The pod is from somewhere else.
    #[error(
        "pod {pod:?} is of no manifest in {}: it goes when it is deleted where it came from \
         (--manifests names another directory)",
        directory.display()
    )]
    Elsewhere {
        /// Its name.
        pod: String,
        /// Where its manifest would be.
        directory: PathBuf,
    },
    /// Somebody else would go with it.
    #[error("{file} holds {others}, too: `podling delete -f {file}` deletes all of it", file = file.display())]
    Shared {
        /// The manifest.
        file: PathBuf,
        /// What was not named.
        others: String,
    },
}

pub(super) async fn run(layout: &Layout, arguments: &DeleteArguments) -> Outcome {
    let directory = manifests::directory(layout, arguments.manifests.as_ref());
    let kubelet = Kubelet::of(layout);
    // A node that is not up has no pods that could be waited for.
    let there = kubelet.pods().await.unwrap_or_default();
    let doomed = if arguments.pods.is_empty() {
        of_files(&directory, &arguments.files)?
    } else {
        let all = manifests::all(&directory)?;
        of_pods(&directory, all, &there, arguments)?
    };
    for (file, objects) in &doomed {
        fs::remove_file(file)?;
        for object in objects {
            output::print(&format!("{}\n", object.deleted()))?;
        }
    }
    if arguments.wait {
        for object in doomed.values().flatten() {
            gone(&kubelet, object, &there, arguments).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The manifests of these files' names in the directory. A file itself may be gone: its name is what counts;
/// standard input has only what it holds.
fn of_files(directory: &Path, files: &[PathBuf]) -> Result<Manifests, Box<dyn std::error::Error>> {
    let mut doomed = Manifests::new();
    for file in files {
        let text = manifests::read(file).unwrap_or_default();
        let named = manifests::named(file, &text).unwrap_or_default();
        let target = directory.join(manifests::file_name(file, &named)?);
        let there = fs::read_to_string(&target)
            .map_err(|error| format!("cannot delete {}: {error}", target.display()))?;
        let objects = manifests::named(&target, &there).unwrap_or_default();
        doomed.insert(target, objects);
    }
    Ok(doomed)
}

/// The manifests that hold the pods that are meant, each as it is written there or as the kubelet calls it,
/// and nothing else.
fn of_pods(
    directory: &Path,
    mut all: Manifests,
    there: &[Pod],
    arguments: &DeleteArguments,
) -> Result<Manifests, Refusal> {
    let namespace = arguments.namespace.namespace.as_str();
    let words = arguments.pods.iter();
    let names: Vec<_> = words
        .filter_map(|word| bare_name(Resource::Pods, word))
        .collect();
    if names.is_empty() {
        return Err(Refusal::NoName);
    }
    let is_meant = |object: &Named, name: &str| {
        let shown = pod::find(there, namespace, name).ok();
        let is_called = |word: &str| word == name || shown.is_some_and(|pod| pod.is_called(word));
        object.pod_in(namespace).is_some_and(is_called)
    };
    for name in &names {
        let mut objects = all.values().flatten();
        if !objects.any(|object| is_meant(object, name)) {
            let pod = pod::find(there, namespace, name)?.name().to_owned();
            let directory = directory.to_owned();
            return Err(Refusal::Elsewhere { pod, directory });
        }
    }
    let is_named = |object: &Named| names.iter().any(|name| is_meant(object, name));
    all.retain(|_, objects| objects.iter().any(is_named));
    for (file, objects) in &all {
        let others: Vec<_> = objects
            .iter()
            .filter(|object| !is_named(object))
            .map(Named::to_string)
            .collect();
        if !others.is_empty() {
            return Err(Refusal::Shared {
                file: file.clone(),
                others: others.join(", "),
            });
        }
    }
    Ok(all)
}

/// Waits until a pod that was there is no more, or is another.
async fn gone(
    kubelet: &Kubelet,
    object: &Named,
    there: &[Pod],
    arguments: &DeleteArguments,
) -> Result<(), Box<dyn std::error::Error>> {
    let Some((namespace, name)) = object.pod() else {
        return Ok(());
    };
    let Ok(pod) = pod::find(there, &namespace, &name) else {
        return Ok(());
    };
    let uid = pod.raw["metadata"]["uid"].clone();
    let judge = |now: Option<&serde_json::Value>| {
        let is_there = now.is_some_and(|now| now["metadata"]["uid"] == uid);
        Ok((!is_there).then_some(()))
    };
    let timeout = arguments.timeout.filter(|timeout| !timeout.is_zero());
    let waited = until(kubelet, one(&namespace, &name), timeout, judge).await;
    waited.map_err(|error| match error {
        UntilError::TimedOut => format!("{error} on pods/{name}").into(),
        other => other.into(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::args::NamespaceArguments;
    use crate::kubelet::pod::decode_list;

    fn deleting(words: &[&str]) -> DeleteArguments {
        DeleteArguments {
            files: Vec::new(),
            pods: words.iter().map(|word| (*word).to_owned()).collect(),
            manifests: None,
            wait: true,
            timeout: None,
            namespace: NamespaceArguments {
                namespace: "default".to_owned(),
            },
        }
    }

    /// A manifest's name, and kinds and names of what it holds.
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)]);
    /// The files that go, or why none does.
    type Expected<'a> = Result<&'a [&'a str], &'a str>;

    fn manifests_of(files: &[Row<'_>]) -> Manifests {
        let object = |(kind, name): &(&str, &str)| {
            let text = match *kind {
                "Pod" => format!("kind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: []}}"),
                kind => format!("kind: {kind}\nmetadata: {{name: {name}}}"),
            };
            let text = format!("apiVersion: v1\n{text}\n");
            manifests::named(Path::new("x"), &text).unwrap().remove(0)
        };
        let objects = |of: &[(&str, &str)]| of.iter().map(object).collect();
        files
            .iter()
            .map(|(file, of)| (PathBuf::from(file), objects(of)))
            .collect()
    }

    #[test]
    fn a_pod_goes_by_its_name_and_nobody_with_it() {
        let all: &[Row<'_>] = &[
            ("web.yaml", &[("Pod", "web")]),
            ("both.yaml", &[("Pod", "a"), ("Pod", "b")]),
            ("shared.yaml", &[("ConfigMap", "words"), ("Pod", "reader")]),
        ];
        let shown = |name: &str| {
            json!({
                "metadata": { "name": name, "namespace": "default" },
                "spec": { "nodeName": "node", "containers": [] },
            })
        };
        let there = json!({ "items": [shown("web-node"), shown("far")] });
        let there = decode_list(there.to_string().as_bytes()).unwrap();
        let rows: [(&[&str], Expected<'_>); 10] = [
            (&["web"], Ok(&["web.yaml"])),
            (&["web-node"], Ok(&["web.yaml"])),
            (&["pod", "web"], Ok(&["web.yaml"])),
            (&["po/web", "pods/a", "b"], Ok(&["both.yaml", "web.yaml"])),
            (
                &["pods"],
                Err("resource(s) were provided, but no name was specified"),
            ),
            (
                &["a"],
                Err("both.yaml holds pod/b, too: `podling delete -f both.yaml` deletes all of it"),
            ),
            (
                &["web", "reader"],
                Err(
                    "shared.yaml holds configmap/words, too: `podling delete -f shared.yaml` deletes all of it",
                ),
            ),
            (
                &["far"],
                Err(
                    "pod \"far\" is of no manifest in dir: it goes when it is deleted where it came \
                     from (--manifests names another directory)",
                ),
            ),
            (
                &["web", "nobody"],
                Err(
                    "there is no pod \"nobody\" in namespace \"default\": `podling get pods -A` lists all",
                ),
            ),
            (
                &["deployment/web"],
                Err(
                    "there is no pod \"deployment/web\" in namespace \"default\": `podling get pods -A` lists all",
                ),
            ),
        ];
        for (words, expected) in rows {
            let found = of_pods(
                Path::new("dir"),
                manifests_of(all),
                &there,
                &deleting(words),
            );
            let found = found
                .map(|found| found.into_keys().collect::<Vec<_>>())
                .map_err(|why| why.to_string());
            let expected = expected
                .map(|files| files.iter().map(PathBuf::from).collect::<Vec<_>>())
                .map_err(str::to_owned);
            assert_eq!(found, expected, "{words:?}");
        }
    }
}
