//! What files and flags make of the defaults.

use clap::Parser;

use super::*;
use crate::args::{Arguments, Command, Daemon};
use podling_kubelet::yaml::{Node, Value};

use crate::daemon::config::document::{split, tree};

const HEADER: &str = "apiVersion: podling.dev/v1alpha1\nkind: RuntimeConfiguration\n";

fn defaults() -> RuntimeConfiguration {
    RuntimeConfiguration::defaults(&Layout::below("/"), "/podling")
}

fn read(text: &str) -> (RuntimeConfiguration, Vec<Problem>) {
    let (mut configuration, mut problems) = (defaults(), Vec::new());
    let documents = split(text, &mut problems);
    let document = documents.runtime.expect("it is the runtime's");
    configuration.read(&document, &mut problems);
    (configuration, problems)
}

fn flags(line: &str) -> RuntimeArguments {
    let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
    match arguments.command {
        Command::Daemon(Daemon::Runtime(flags)) => flags,
        _ => panic!("it runs the runtime"),
    }
}

const EXAMPLE: &str = include_str!("../../../../../examples/config.yaml");

#[test]
fn the_example_holds_the_defaults() {
    let (configuration, problems) = read(EXAMPLE);
    assert_eq!(problems, []);
    assert_eq!(configuration, defaults());
}

/// Every field, as the reader of the configuration knows them: it tells them to who writes another.
fn known_fields(group: &str) -> Vec<String> {
    let text = group
        .split_terminator('.')
        .enumerate()
        .map(|(depth, step)| format!("{}{step}:\n", "  ".repeat(depth)))
        .collect::<String>();
    let depth = group.split_terminator('.').count();
    let (_, problems) = read(&format!("{HEADER}{text}{}x: 1\n", "  ".repeat(depth)));
    let [Problem::File { message, .. }] = &problems[..] else {
        panic!("one field is unknown: {problems:?}");
    };
    let (_, known) = message
        .split_once("there are ")
        .expect("it names those that are");
    known.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_example_shows_every_field() {
    let mut problems = Vec::new();
    let document = split(EXAMPLE, &mut problems)
        .runtime
        .expect("it is the runtime's");
    let mut open = vec![(String::new(), tree(&document).unwrap())];
    let mut shown = 0;
    while let Some((group, node)) = open.pop() {
        let Value::Mapping(entries) = node.value else {
            continue;
        };
        let names: Vec<_> = entries.iter().map(|entry| entry.name.clone()).collect();
        assert_eq!(names, known_fields(&group), "in {group:?}");
        shown += names.len();
        let below =
            |name: &str| format!("{group}{}{name}", if group.is_empty() { "" } else { "." });
        let groups = entries
            .into_iter()
            .map(|entry| (below(&entry.name), entry.node));
        open.extend(groups.collect::<Vec<(String, Node)>>());
    }
    assert!(shown > 15, "{shown}");
}

#[test]
fn every_problem_of_a_document_is_told_at_once() {
    let (configuration, problems) = read(&format!(
        "{HEADER}cgroupParent: podling\nnetwork:\n  bridge: much-too-long-a-name\n  podCIDR: 10.1.2.3/24\n  \
         cni: {{timeout: soon}}\nstreaming:\n  adress: 127.0.0.1:0\n  idleTimeout: 5m\n"
    ));
    let lines = problems.iter().map(|problem| match problem {
        Problem::File { line, .. } => *line,
        Problem::Flag { .. } => 0,
    });
    assert_eq!(lines.collect::<Vec<_>>(), [3, 5, 6, 7, 9], "{problems:?}");
    assert_eq!(
        configuration.streaming.idle_timeout,
        Duration::from_secs(300)
    );
}

#[test]
fn flags_override_the_file_and_what_they_leave_out_stays() {
    let text = "network:\n  bridge: filed0\n  podCIDR: fd09::/64,10.9.0.0/16\n  cni:\n    binDirs: [/a]\n    timeout: 5s\n";
    let (mut configuration, mut problems) = read(&format!("{HEADER}{text}"));
    let flags = flags("podling runtime --bridge flag0 --cni-bin-dir /b:/c --cni-bin-dir /d:");
    configuration.override_with(&flags, &mut problems);
    assert_eq!(problems, []);
    let network = configuration.network;
    assert_eq!(network.bridge, "flag0");
    assert_eq!(network.pod_cidr.to_string(), "fd09::/64,10.9.0.0/16");
    assert_eq!(network.cni_bin_dirs, ["/b", "/c", "/d"].map(PathBuf::from));
    assert_eq!(network.cni_timeout, Duration::from_secs(5));
}

#[test]
fn flags_that_mean_nothing_are_told_with_the_problems_of_the_file() {
    let (mut configuration, mut problems) = read(&format!("{HEADER}nothing: 1\n"));
    let flags = flags("podling runtime --pod-cidr 10.0.0.0/31 --bridge a/b");
    configuration.override_with(&flags, &mut problems);
    assert_eq!(problems.len(), 3, "{problems:?}");
}
