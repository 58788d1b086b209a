//! Plugins fail, hang and die, in every place of a chain of Debian's, many times; whatever they were
//! doing, everything is taken back.
//!
//! `PODLING_CNI_ROUNDS=1000` makes it as long as a release wants it.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail as a test does")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use podling_runtime::model::SandboxId;
use podling_runtime::model::config::{PortMapping, Protocol};
use podling_runtime::network::{AttachRequest, PodNetwork};
use serde_json::json;

use crate::world::{Pod, World};

const ROUNDS: u32 = 60;
/// Shorter than a plugin that hangs, and long enough for Debian's: their `bridge`, killed in the middle
/// of its own DEL, no longer finds its masquerade rule.
const SHORT: Duration = Duration::from_secs(1);

/// A plugin that passes on what it was given, but for what the file `mood` beside it says.
const SABOTEUR: &str = r#"#!/bin/sh
config=$(cat)
mood=
read -r mood < "${0%/*}/mood"
case "$mood" in
"$CNI_COMMAND fails") echo '{"code": 111, "msg": "sabotage"}'; exit 1 ;;
"$CNI_COMMAND hangs") sleep 1000 & wait ;;
"$CNI_COMMAND dies") kill -9 $$ ;;
esac
case $CNI_COMMAND in
ADD) case $config in
    *prevResult*) result=${config#*'"prevResult":'}; echo "${result%,*}" ;;
    *) echo '{"cniVersion": "1.0.0"}' ;;
    esac ;;
VERSION) echo '{"cniVersion": "1.0.0", "supportedVersions": ["1.0.0"]}' ;;
esac
"#;

const MOODS: [&str; 4] = ["ADD fails", "DEL fails", "ADD dies", "DEL dies"];

/// What the saboteur does in a round; hangs cost time, so they are rare.
fn mood(round: usize) -> &'static str {
    match round % 20 {
        7 => "ADD hangs",
        17 => "DEL hangs",
        _ => MOODS[round % MOODS.len()],
    }
}

/// Puts the saboteur into a place of the chain, and tells it what to do.
fn sabotage(world: &World, place: usize, mood: &str) {
    let mut plugins = world.plugins();
    // The two that set nothing up on the host would only cost time.
    plugins.retain(|plugin| plugin["type"] != "tuning" && plugin["type"] != "bandwidth");
    plugins.insert(place.min(plugins.len()), json!({"type": "saboteur"}));
    world.configure(&plugins);
    fs::write(world.own_plugins().join("mood"), format!("{mood}\n")).unwrap();
}

fn be_good(world: &World) {
    fs::write(world.own_plugins().join("mood"), "good\n").unwrap();
}

/// Everything that plugins and we make for pods.
fn traces(world: &World) -> Vec<String> {
    let rules = ["iptables-save", "ip6tables-save"].map(|program| world.run(program, &[]));
    let rules = rules.iter().flat_map(|rules| rules.lines());
    // Comments have the time, chains what they counted.
    let rules = rules.filter(|line| line.starts_with('-'));
    let links = world.run("ip", &["-o", "link", "show"]);
    let names = links.lines().filter_map(|line| line.split(": ").nth(1));
    // Whether anything hangs on the bridge at this moment is no trace, nor is the address that the
    // kernel gives it in its own time.
    let routes = world.run("ip", &["route", "show", "table", "all"]);
    let routes = routes.replace(" linkdown", "");
    let routes = routes.lines().filter(|route| !route.contains("fe80:"));
    let records = list(&world.dir.path().join("state/cni"));
    let mut leases = list(&world.dir.path().join("leases/debian"));
    leases.retain(|name| name.starts_with("10."));
    let mut all: Vec<String> = rules
        .chain(names)
        .chain(routes)
        .map(str::to_owned)
        .collect();
    all.extend(records.into_iter().chain(leases));
    all
}

fn list(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect()
}

fn id(n: u32) -> SandboxId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    SandboxId::from_random(bytes)
}

fn request(pod: &Pod, n: u32) -> AttachRequest {
    let mut request = pod.request(1);
    request.id = id(n);
    request.wishes.port_mappings = vec![PortMapping {
        protocol: Protocol::Tcp,
        container_port: 80,
        host_port: 8080,
        host_ip: None,
    }];
    request
}

/// Attaches and detaches; whether both went well.
fn come_and_go(world: &World, network: &PodNetwork, request: &AttachRequest) -> [bool; 2] {
    let reserved = network.reserve(&request.id).unwrap();
    let attached = world.on_host(|| network.attach(reserved, request));
    let detached = world.on_host(|| network.detach(&request.id));
    [attached.is_ok(), detached.is_ok()]
}

fn rounds() -> u32 {
    let given = std::env::var("PODLING_CNI_ROUNDS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

#[test]
fn nothing_of_a_pod_is_left_however_often_and_wherever_a_plugin_fails_hangs_or_dies() {
    let world = World::new();
    fs::create_dir(world.own_plugins()).unwrap();
    let saboteur = world.own_plugins().join("saboteur");
    fs::write(&saboteur, SABOTEUR).unwrap();
    fs::set_permissions(&saboteur, fs::Permissions::from_mode(0o755)).unwrap();
    // The first pod has plugins make what they keep: the bridge, and chains without rules of pods.
    let pod = Pod::start();
    for place in [0, 3] {
        sabotage(&world, place, "good");
        let went = come_and_go(&world, &world.open(), &request(&pod, 0));
        assert_eq!(went, [true, true]);
    }
    let before = traces(&world);

    let started = Instant::now();
    let mut failures = [0; 2];
    for round in 1..=rounds() {
        let mood = mood(round as usize);
        sabotage(&world, (round as usize / MOODS.len()) % 4, mood);
        let network = match mood.ends_with("hangs") {
            true => world.open_with(SHORT),
            false => world.open(),
        };
        let went = come_and_go(&world, &network, &request(&pod, round));
        assert_ne!(went, [true, true], "{round}: the saboteur was not asked");
        for (count, went) in failures.iter_mut().zip(went) {
            *count += u32::from(!went);
        }
        be_good(&world);
        drop(network);
        // As the daemon does: again, and by the next daemon.
        let network = world.open();
        match round % 2 {
            0 => world.on_host(|| network.detach(&id(round))).unwrap(),
            _ => drop(world.on_host(|| network.retain(&BTreeSet::new())).unwrap()),
        }
        if round % 20 == 0 {
            assert_eq!(traces(&world), before, "after {round} rounds");
        }
    }
    assert_eq!(traces(&world), before);
    let [add, del] = failures;
    println!(
        "{} rounds in {:?}: {add} ADD and {del} DEL failed",
        rounds(),
        started.elapsed()
    );
}
