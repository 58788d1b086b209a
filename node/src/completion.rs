//! Completion in shells: the script that `podling completion` prints asks this command itself, which
//! then knows the pods, containers and namespaces there are.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::CommandFactory;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{CompleteEnv, EnvCompleter, Shells};
use podling_runtime::layout::Layout;

use crate::args::Arguments;
use crate::kubelet::Kubelet;
use crate::kubelet::pod::Pod;

/// The variable by which a shell asks.
const VARIABLE: &str = "COMPLETE";

/// How long a person waits for a key.
const PATIENCE: Duration = Duration::from_secs(1);

/// Answers a shell that asks, and ends the process then.
pub(crate) fn answer() {
    CompleteEnv::with_factory(Arguments::command).complete();
}

/// The script that a shell evaluates to ask; nothing for a shell that is not known.
pub(crate) fn script(shell: &str) -> Option<String> {
    let shells = Shells::builtins();
    let completer: &dyn EnvCompleter = shells.completer(shell)?;
    let mut script = Vec::new();
    let name = "podling";
    completer
        .write_registration(VARIABLE, name, name, name, &mut script)
        .expect("a vector takes everything");
    String::from_utf8(script).ok()
}

/// Names of pods.
pub(crate) fn pods() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(|pods, _| named(pods.iter().map(Pod::name))))
}

/// Names of containers: of the pods that the line names, else of all.
pub(crate) fn containers() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(containers_of))
}

/// Namespaces that have pods.
pub(crate) fn namespaces() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(|pods, _| named(pods.iter().map(Pod::namespace))))
}

fn named<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    names.map(str::to_owned).collect()
}

fn containers_of(pods: &[Pod], line: &[String]) -> BTreeSet<String> {
    let is_named = |pod: &&Pod| line.iter().any(|word| pod.is_called(word));
    let mut meant: Vec<_> = pods.iter().filter(is_named).collect();
    if meant.is_empty() {
        meant = pods.iter().collect();
    }
    named(meant.into_iter().flat_map(Pod::container_names))
}

/// What a kubelet that answers in time makes possible.
fn candidates(choose: fn(&[Pod], &[String]) -> BTreeSet<String>) -> Vec<CompletionCandidate> {
    let line: Vec<String> = std::env::args_os()
        .filter_map(|word| word.into_string().ok())
        .collect();
    let layout = Layout::below(root(&line, std::env::var_os("PODLING_ROOT")));
    let pods = there(&layout).unwrap_or_default();
    let chosen = choose(&pods, &line).into_iter();
    chosen.map(CompletionCandidate::new).collect()
}

fn there(layout: &Layout) -> Option<Vec<Pod>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let kubelet = Kubelet::of(layout);
    let asked = async { tokio::time::timeout(PATIENCE, kubelet.pods()).await };
    runtime.block_on(asked).ok()?.ok()
}

/// The root that a line names, or the environment.
fn root(line: &[String], environment: Option<OsString>) -> PathBuf {
    let given = line
        .iter()
        .enumerate()
        .find_map(|(index, word)| match word.as_str() {
            "--root" => line.get(index + 1).cloned(),
            word => word.strip_prefix("--root=").map(str::to_owned),
        });
    given
        .map(PathBuf::from)
        .or(environment.map(PathBuf::from))
        .unwrap_or_else(|| "/".into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubelet::pod::decode_list;

    #[test]
    fn each_shell_has_a_script_that_asks() {
        for shell in ["bash", "zsh", "fish"] {
            let script = script(shell).expect("it is known");
            assert!(script.contains("COMPLETE"), "{script}");
        }
        assert_eq!(script("sh"), None);
    }

    #[test]
    fn the_root_of_a_line_goes_before_that_of_the_environment() {
        let line = |words: &[&str]| {
            words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            root(&line(&["--", "podling", "--root", "/a"]), Some("/b".into())),
            PathBuf::from("/a")
        );
        assert_eq!(
            root(&line(&["podling", "--root=/a"]), None),
            PathBuf::from("/a")
        );
        assert_eq!(
            root(&line(&["podling"]), Some("/b".into())),
            PathBuf::from("/b")
        );
        assert_eq!(root(&line(&[]), None), PathBuf::from("/"));
    }

    #[test]
    fn containers_are_those_of_the_pod_that_is_named() {
        let pod = |name: &str, container: &str| {
            json!({
                "metadata": { "name": format!("{name}-n") },
                "spec": { "nodeName": "n", "containers": [{ "name": container }] },
            })
        };
        let list = json!({ "items": [pod("a", "x"), pod("b", "y")] });
        let pods = decode_list(list.to_string().as_bytes()).unwrap();
        let line = |word: &str| vec!["exec".to_owned(), word.to_owned()];
        let of = |word: &str| {
            containers_of(&pods, &line(word))
                .into_iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(of("a"), ["x"]);
        assert_eq!(of("b-n"), ["y"]);
        assert_eq!(of("c"), ["x", "y"]);
    }
}
