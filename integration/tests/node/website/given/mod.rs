//! The website's own files, which are not kept here: `make examples-test EXAMPLES=DIR` runs each.
//!
//! ```text
//! DIR/pods/…yaml ─► expected: is it known? ─► beside: what its page tells to make ─┐
//!                                             stand_ins: images mapped ────────────┴─► node ─► as told?
//! ```
//!
//! What becomes of each is printed as a table. A file that is known and ends otherwise than its page
//! says fails the story; one that is not known is run all the same, and named at the end.

mod beside;
mod expected;
mod stand_ins;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::join_all;
use podling_integration::harness::daemon::Start;
use podling_integration::harness::wait::try_for;
use podling_integration::harness::{Node, Options, Pod, processes};
use serde_json::Value;

use expected::{Beside, Example, Told, known, statuses};

/// How long a file may take: the slowest of them waits for three probes and then its grace period.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long one that is not known may take to run or to end.
const PATIENCE_OF_UNKNOWN: Duration = Duration::from_secs(30);

/// So many nodes run files side by side.
const LANES: usize = 3;

/// A file and what became of it.
struct Ran {
    name: String,
    known: Option<Example>,
    is_as_told: bool,
    seen: String,
}

/// The YAML files below a folder, sorted.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("EXAMPLES is a folder");
    for entry in entries.map(|entry| entry.expect("it can be read").path()) {
        if entry.is_dir() {
            files(&entry, found);
        } else if entry.extension().is_some_and(|suffix| suffix == "yaml") {
            found.push(entry);
        }
    }
    found.sort();
}

/// The text with every image mapped, or the first that nothing stands for.
fn localised(text: &str) -> Result<String, String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let fields = ["image:", "reference:"];
        let value = fields.iter().find_map(|field| line.split_once(field));
        let image = value.map(|(_, value)| value.trim().trim_matches(['"', '\'', ',']));
        let is_image = |image: &&str| !image.is_empty() && !image.starts_with(['#', '{']);
        match image.filter(is_image) {
            None => lines.push(line.to_owned()),
            Some(image) => {
                let local = stand_ins::local(image).ok_or_else(|| image.to_owned())?;
                lines.push(line.replace(image, &local));
            }
        }
    }
    Ok(lines.join("\n"))
}

/// The names of the objects in a file: the first `name` of each document's metadata.
fn names(text: &str) -> BTreeSet<String> {
    let parts = text.split("metadata:").skip(1);
    let words = parts.filter_map(|part| {
        let mut words = part.split([' ', '\n', '{']);
        words.find(|word| *word == "name:")?;
        words.find(|word| !word.is_empty())
    });
    words
        .map(|word| word.trim_matches(['"', ',', '\'']).to_owned())
        .collect()
}

/// The node's pods of these names.
fn pods_of(node: &Node, names: &BTreeSet<String>) -> Vec<Pod> {
    let is_of = |pod: &Pod| {
        names
            .iter()
            .any(|name| pod.name().starts_with(&format!("{name}-")))
    };
    let mut pods = node.pods();
    pods.retain(is_of);
    pods
}

/// Waits until no pod is left, and has those end at once that would wait for their grace period.
async fn clear(node: &Node) {
    let is_clear = async || {
        processes::kill(&processes::deaf(&node.range().cgroup()));
        node.pods().is_empty().then_some(())
    };
    let cleared = try_for(PATIENCE, is_clear).await;
    cleared.expect("pods without a manifest end");
}

/// What a page tells to make, as one manifest.
fn beside_of(node: &Node, folder: &Path, example: Option<Example>) -> Option<String> {
    let beside = example.map(|example| example.beside).unwrap_or_default();
    let texts = beside.iter().flat_map(|one| match one {
        Beside::File(file) => vec![fs::read_to_string(folder.join(file)).expect("it is given too")],
        Beside::Object(name) => {
            let documents = beside::documents(name, node);
            documents.iter().map(ToString::to_string).collect()
        }
    });
    let texts: Vec<_> = texts.collect();
    (!texts.is_empty()).then(|| texts.join("\n---\n"))
}

/// Why a manifest is refused, if it is.
fn refusal(node: &Node, file: &str) -> Option<String> {
    let answer = node.kubelet("/events")?;
    let list: Value = serde_json::from_str(&answer.text()).ok()?;
    let events = list["items"].as_array()?;
    let is_refusal = |event: &&Value| {
        event["involvedObject"]["name"] == file && event["reason"] == "FailedToReadManifest"
    };
    let event = events.iter().find(is_refusal)?;
    event["message"].as_str().map(str::to_owned)
}

/// Runs one file. Its manifest has a name of its own, because events are told of it.
async fn run(node: &Node, folder: &Path, (index, file): (usize, &Path)) -> Ran {
    let name = file.strip_prefix(folder).unwrap_or(file);
    let name = name.display().to_string();
    let example = known(&name);
    let text = fs::read_to_string(file).expect("it can be read");
    let is_run = !matches!(example.map(|example| example.told), Some(Told::NotRun));
    let (is_as_told, seen) = match localised(&text) {
        _ if !is_run => (true, "not run".to_owned()),
        Err(image) => (false, format!("no image stands for {image}")),
        Ok(text) => {
            if let Some(beside) = beside_of(node, folder, example) {
                node.manifest("beside.yaml", &beside);
            }
            let manifest = format!("example-{index}.yaml");
            node.manifest(&manifest, &text);
            let outcome = outcome(node, &manifest, (&names(&text), example)).await;
            node.remove_manifest(&manifest);
            let _ = fs::remove_file(node.root().join("etc/podling/manifests/beside.yaml"));
            clear(node).await;
            outcome
        }
    };
    let ran = Ran {
        name,
        known: example,
        is_as_told,
        seen,
    };
    println!("{}", row(&ran));
    ran
}

/// Whether it came to what is told, and what was seen last.
async fn outcome(
    node: &Node,
    manifest: &str,
    (names, example): (&BTreeSet<String>, Option<Example>),
) -> (bool, String) {
    let told = example.map(|example| example.told);
    let patience = told.map_or(PATIENCE_OF_UNKNOWN, |_| PATIENCE);
    let is_over = || {
        let pods = pods_of(node, names);
        let refused = refusal(node, manifest);
        match told {
            Some(Told::Refused(words)) => refused.filter(|line| line.contains(words)).map(|_| true),
            // It has no pod: what is wrong with it is told soon.
            Some(Told::Objects) => Some(refused.is_none()),
            _ if refused.is_some() => Some(false),
            Some(told) => told.is_so(&pods).then_some(true),
            None => Told::Ready.is_so(&pods).then_some(true),
        }
    };
    if matches!(told, Some(Told::Objects)) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let is_as_told = try_for(patience, async || is_over()).await;
    let seen = match refusal(node, manifest) {
        Some(line) => format!("refused: {line}"),
        None => summary(&pods_of(node, names)),
    };
    (is_as_told.unwrap_or(false), seen)
}

/// Pods in a few words.
fn summary(pods: &[Pod]) -> String {
    let of = |pod: &Pod| {
        let mut words = vec![pod.phase().to_owned()];
        words.extend(pod.is_ready().then(|| "ready".to_owned()));
        words.push(pod.text("/status/qosClass").to_owned());
        words.push(pod.text("/status/reason").to_owned());
        for status in statuses(pod) {
            let (state, last) = (&status["state"], &status["lastState"]);
            for reason in [
                &state["waiting"]["reason"],
                &state["terminated"]["reason"],
                &last["terminated"]["reason"],
            ] {
                words.extend(reason.as_str().map(str::to_owned));
            }
            let restarts = status["restartCount"].as_i64().unwrap_or_default();
            words.extend((restarts > 0).then(|| format!("{restarts} restarts")));
        }
        words.retain(|word| !word.is_empty());
        words.join(" ")
    };
    let all: Vec<_> = pods.iter().map(of).collect();
    match all.is_empty() {
        true => "no pod".to_owned(),
        false => all.join("; "),
    }
}

fn row(ran: &Ran) -> String {
    let Ran { name, seen, .. } = ran;
    let told = ran.known.map_or("not known".to_owned(), |example| {
        format!("{:?}", example.told)
    });
    let but = ran.known.map(|example| example.but).unwrap_or_default();
    let verdict = match (&ran.known, ran.is_as_told) {
        (None, _) => "?",
        (Some(_), true) if but.is_empty() => "as the page says",
        (Some(_), true) => but,
        (Some(_), false) => "OTHERWISE",
    };
    format!("| {name} | {told} | {seen} | {verdict} |")
}

/// Every so many files on a node of its own.
async fn lane(folder: &Path, files: Vec<(usize, PathBuf)>) -> Vec<Ran> {
    let labelled = Options {
        start: Start {
            arguments: vec!["--node-labels=disktype=ssd".to_owned()],
            ..Start::default()
        },
        ..Options::default()
    };
    let node = Node::start_with(labelled).await;
    stand_ins::import(&node).await;
    beside::prepare(&node);
    let mut ran = Vec::new();
    for (index, file) in files {
        ran.push(run(&node, folder, (index, &file)).await);
    }
    node.stop().await;
    ran
}

#[tokio::test]
#[ignore = "needs the website's files: make examples-test EXAMPLES=DIR"]
async fn website_files_that_are_given_run() {
    let folder = std::env::var_os("EXAMPLES").expect("make examples-test EXAMPLES=DIR");
    let folder = PathBuf::from(folder);
    let mut all = Vec::new();
    files(&folder, &mut all);
    let _data = beside::Data::make();
    println!("| example | told | seen | |\n|---|---|---|---|");
    let numbered: Vec<_> = all.into_iter().enumerate().collect();
    let lanes = (0..LANES).map(|lane_number| {
        let own = numbered
            .iter()
            .filter(|(index, _)| index % LANES == lane_number);
        lane(&folder, own.cloned().collect())
    });
    let ran: Vec<_> = join_all(lanes).await.into_iter().flatten().collect();
    let named = |is_meant: &dyn Fn(&Ran) -> bool| {
        let meant = ran.iter().filter(|ran| is_meant(ran));
        meant.map(|ran| ran.name.as_str()).collect::<Vec<_>>()
    };
    let unknown = named(&|ran| ran.known.is_none());
    let otherwise = named(&|ran| ran.known.is_some() && !ran.is_as_told);
    println!(
        "{} of {} as told; not known: {unknown:?}",
        ran.len() - unknown.len() - otherwise.len(),
        ran.len()
    );
    assert!(otherwise.is_empty(), "otherwise than told: {otherwise:?}");
}
