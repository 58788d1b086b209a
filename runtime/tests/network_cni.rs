//! CNI networks with plugins that are shell scripts: what they are told, what becomes of what they
//! say, and that nothing is leaked whatever they do. The machine's network is not touched.
//!
//! Needs root, as plugins of a pod do.

mod cni_world;

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cni_world::{Pause, World, attach, chain, chain_of, id, request};
use podling_runtime::model::config::{PortMapping, Protocol};
use podling_runtime::network::{PodNetwork, Readiness};
use serde_json::json;

const NO_ROOM: &str =
    r#"{"cniVersion": "1.0.0", "code": 111, "msg": "no room", "details": "all taken"}"#;

#[test]
fn a_pod_goes_through_the_chain_and_back_in_reverse() {
    let world = World::configured();
    let network = world.open();
    let pause = Pause::start();
    let addresses = attach(&network, &request(1, &pause)).unwrap();
    assert_eq!(addresses, [IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2))]);
    assert_eq!(world.calls(), ["ADD first", "ADD second"]);
    let previous = &world.stdin("second.ADD")["prevResult"];
    assert_eq!(previous["ips"][0]["address"], "10.9.0.2/24");
    assert_eq!(world.recorded(), [id(1).to_string()]);

    network.detach(&id(1)).unwrap();
    assert_eq!(world.calls(), ["DEL second", "DEL first"]);
    let previous = &world.stdin("first.DEL")["prevResult"];
    assert_eq!(previous["ips"][0]["address"], "10.9.0.2/24");
    assert_eq!((world.held(), world.recorded()), (vec![], vec![]));
    network.detach(&id(1)).unwrap();
    assert_eq!(world.calls(), Vec::<String>::new(), "nothing is left to do");
}

#[test]
fn plugins_are_told_which_pod_it_is_and_nothing_of_the_daemon() {
    let world = World::configured();
    let network = world.open();
    let pause = Pause::start();
    attach(&network, &request(1, &pause)).unwrap();
    let environment = world.environment("first.ADD");
    let id = id(1);
    for expected in [
        "CNI_COMMAND=ADD".to_owned(),
        format!("CNI_CONTAINERID={id}"),
        format!("CNI_NETNS=/proc/{}/ns/net", pause.pid()),
        "CNI_IFNAME=eth0".to_owned(),
        format!(
            "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=pod-1;\
             K8S_POD_INFRA_CONTAINER_ID={id};K8S_POD_UID=uid-1"
        ),
        format!("CNI_PATH={}", world.bin_dirs[0].display()),
    ] {
        assert!(
            environment.contains(&expected),
            "{expected}: {environment:#?}"
        );
    }
    let known = ["CNI_", "PATH=", "PWD=", "SHLVL=", "OLDPWD=", "_="];
    let is_foreign = |line: &&String| !known.iter().any(|known| line.starts_with(known));
    assert_eq!(environment.iter().find(is_foreign), None);
    network.detach(&id).unwrap();
}

#[test]
fn capabilities_become_runtime_config_of_the_plugin_that_has_them() {
    let world = World::configured();
    let network = world.open();
    let pause = Pause::start();
    let mut request = request(1, &pause);
    let annotation = ("kubernetes.io/egress-bandwidth".to_owned(), "1M".to_owned());
    request.wishes.annotations.extend([annotation]);
    request.wishes.port_mappings = vec![PortMapping {
        protocol: Protocol::Tcp,
        container_port: 80,
        host_port: 8080,
        host_ip: None,
    }];
    network.accept(&request.id, &request.wishes).unwrap();
    attach(&network, &request).unwrap();
    assert!(world.stdin("first.ADD").get("runtimeConfig").is_none());
    let told = &world.stdin("second.ADD")["runtimeConfig"];
    assert_eq!(
        told["portMappings"],
        json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": ""}])
    );
    assert_eq!(told["bandwidth"]["egressRate"], 1_000_000);
    network.detach(&id(1)).unwrap();
    assert_eq!(&world.stdin("second.DEL")["runtimeConfig"], told);
}

#[test]
fn wishes_that_cannot_be_fulfilled_are_refused_before_anything_exists() {
    let world = World::new();
    world.configure(
        "1.conf",
        r#"{"cniVersion": "1.0.0", "name": "net", "type": "first"}"#,
    );
    let network = world.open();
    let mut wishes = request(1, &Pause::start()).wishes;
    wishes.port_mappings = vec![PortMapping {
        protocol: Protocol::Tcp,
        container_port: 80,
        host_port: 8080,
        host_ip: None,
    }];
    let error = network.accept(&id(1), &wishes).unwrap_err();
    assert!(error.is_refusal());
    assert!(error.to_string().contains("host port 8080"), "{error}");
    assert_eq!(world.calls(), Vec::<String>::new());
}

#[test]
fn an_error_of_a_plugin_is_told_and_what_was_made_is_undone() {
    let world = World::configured();
    let network = world.open();
    let pause = Pause::start();
    world.rig("second.ADD.fail", NO_ROOM);
    let error = attach(&network, &request(1, &pause)).unwrap_err();
    assert_eq!(
        chain_of(&error),
        "plugin \"second\" of network \"net\": ADD: no room (code 111): all taken"
    );
    assert!(!world.held().is_empty());
    network.detach(&id(1)).unwrap();
    assert_eq!((world.held(), world.recorded()), (vec![], vec![]));
    let calls = ["ADD first", "ADD second", "DEL second", "DEL first"];
    assert_eq!(world.calls(), calls);
}

#[test]
fn what_a_plugin_says_wrongly_is_an_error_too() {
    let world = World::configured();
    let network = world.open();
    let pause = Pause::start();
    let cases = [
        ("first.ADD.say", "done!", "its answer is not the JSON"),
        (
            "second.ADD.say",
            r#"{"ips": []}"#,
            "it gives eth0 no address",
        ),
        (
            "second.ADD.say",
            r#"{"ips": 7}"#,
            "its answer is not the JSON",
        ),
        (
            "second.ADD.fail",
            "segfault",
            "it ended with exit status: 1: segfault",
        ),
        ("second.ADD.fail", "", "it said nothing"),
    ];
    for (file, content, says) in cases {
        world.rig(file, content);
        let error = attach(&network, &request(1, &pause)).unwrap_err();
        let error = chain_of(&error);
        assert!(error.contains(says), "{file} {content:?}: {error}");
        assert!(error.contains("network \"net\""), "{error}");
        world.unrig(file);
        network.detach(&id(1)).unwrap();
        assert_eq!((world.held(), world.recorded()), (vec![], vec![]));
    }
}

#[test]
fn a_pod_stays_recorded_until_every_plugin_has_let_go() {
    let world = World::configured();
    let network = world.open();
    let pause = Pause::start();
    attach(&network, &request(1, &pause)).unwrap();
    world.calls();
    world.rig("second.DEL.fail", NO_ROOM);
    for _ in 0..2 {
        let error = network.detach(&id(1)).unwrap_err();
        assert!(chain_of(&error).contains("DEL: no room"));
        assert!(network.needs_detaching(&id(1)).unwrap());
        // The others are asked all the same.
        assert_eq!(world.calls(), ["DEL second", "DEL first"]);
    }
    world.unrig("second.DEL.fail");
    network.detach(&id(1)).unwrap();
    assert_eq!((world.held(), world.recorded()), (vec![], vec![]));
}

#[test]
fn a_plugin_that_hangs_is_killed_with_what_it_started() {
    let mut world = World::configured();
    world.time_limit = Duration::from_secs(2);
    let network = world.open();
    let pause = Pause::start();
    world.rig("first.ADD.hang", "");
    let error = attach(&network, &request(1, &pause)).unwrap_err();
    let said = "it was killed: it had not ended within 2s";
    assert!(chain_of(&error).contains(said), "{}", chain_of(&error));
    assert_gone(&world);
    network.detach(&id(1)).unwrap();
    assert_eq!((world.held(), world.recorded()), (vec![], vec![]));
}

#[test]
fn plugins_end_with_the_daemon_and_the_next_one_finishes() {
    let world = World::configured();
    let network = Arc::new(world.open());
    let pause = Pause::start();
    world.rig("second.ADD.hang", "");
    let attaching = {
        let (network, request) = (Arc::clone(&network), request(1, &pause));
        thread::spawn(move || attach(&network, &request).unwrap_err())
    };
    wait_until(|| world.bin("hanging").exists());
    network.stop();
    let error = attaching.join().unwrap();
    assert!(chain_of(&error).contains("podling is stopping"));
    assert_gone(&world);
    assert!(network.detach(&id(1)).is_err(), "no plugin is run any more");

    let next = world.open();
    assert_eq!(next.retain(&BTreeSet::new()).unwrap(), [id(1)]);
    assert_eq!((world.held(), world.recorded()), (vec![], vec![]));
}

#[test]
fn a_pod_is_detached_as_it_was_attached_whatever_became_of_the_file() {
    let world = World::configured();
    let network = world.open();
    let pause = Pause::start();
    attach(&network, &request(1, &pause)).unwrap();
    world.install("other");
    world.configure(
        "00-other.conf",
        r#"{"cniVersion": "1.0.0", "name": "other", "type": "other"}"#,
    );
    world.unconfigure("10-net.conflist");
    attach(&network, &request(2, &pause)).unwrap();
    world.calls();
    network.detach(&id(1)).unwrap();
    assert_eq!(world.calls(), ["DEL second", "DEL first"]);
    network.detach(&id(2)).unwrap();
    assert_eq!(world.calls(), ["DEL other"]);
}

#[test]
fn a_configuration_counts_from_the_moment_it_is_there() {
    let world = World::new();
    let network = world.open();
    let dir = world.dir.path().join("conf");
    assert_not_ready(
        &network,
        &format!("no network configuration in {}", dir.display()),
    );
    world.configure("10-net.conflist", "{");
    assert_not_ready(&network, "10-net.conflist: it is not a JSON object");
    world.configure("10-net.conflist", &chain("1.0.0").to_string());
    assert_eq!(readiness(&network), ready(""));
    world.configure("05-broken.conf", "{}");
    assert_eq!(
        readiness(&network),
        ready("ignored: 05-broken.conf: type is missing")
    );
    assert_eq!(
        network.status().cni_config["Networks"][0]["Config"]["Name"],
        "net"
    );
}

#[test]
fn a_network_is_as_ready_as_its_plugins() {
    let world = World::new();
    world.configure("10-net.conflist", &chain("1.1.0").to_string());
    let network = world.open();
    assert_eq!(readiness(&network), ready(""));
    let asked = world.calls();
    assert!(asked.contains(&"STATUS second".to_owned()), "{asked:?}");
    readiness(&network);
    assert_eq!(world.calls(), ["STATUS first", "STATUS second"]);

    world.rig(
        "first.STATUS.fail",
        r#"{"code": 50, "msg": "the daemon is not there yet"}"#,
    );
    assert_not_ready(&network, "STATUS: the daemon is not there yet (code 50)");
    world.unrig("first.STATUS.fail");
    world.configure(
        "10-net.conflist",
        &chain("1.1.0").to_string().replace("1.1.0", "0.3.1"),
    );
    assert_not_ready(&network, "plugin \"first\" speaks 0.4.0, 1.0.0, 1.1.0");
    world.configure("10-net.conflist", &chain("1.0.0").to_string());
    fs::remove_file(world.bin("second")).unwrap();
    assert_not_ready(&network, "there is no executable \"second\"");
}

#[test]
fn a_pod_whose_pause_is_gone_is_detached_all_the_same() {
    let world = World::configured();
    let mut pause = Pause::start();
    let network = world.open();
    attach(&network, &request(1, &pause)).unwrap();
    attach(&network, &request(2, &pause)).unwrap();
    pause.end();
    network.detach(&id(1)).unwrap();
    let held = world.environment("first.DEL");
    let path = format!("CNI_NETNS=/proc/{}/fd/", std::process::id());
    assert!(held.iter().any(|line| line.starts_with(&path)), "{held:?}");

    // The next daemon holds nothing: the namespace is gone, and plugins are told so.
    drop(network);
    world.open().detach(&id(2)).unwrap();
    let gone = world.environment("first.DEL");
    assert!(gone.contains(&"CNI_NETNS=".to_owned()), "{gone:?}");
    assert_eq!((world.held(), world.recorded()), (vec![], vec![]));
}

#[test]
fn a_start_detaches_pods_that_are_gone_and_tells_plugins_of_those_that_are_not() {
    let world = World::new();
    world.configure("10-net.conflist", &chain("1.1.0").to_string());
    let network = world.open();
    let pause = Pause::start();
    for n in 1..=3 {
        attach(&network, &request(n, &pause)).unwrap();
    }
    drop(network);
    world.calls();
    let live = BTreeSet::from([id(2)]);
    let network = world.open();
    assert_eq!(network.retain(&live).unwrap(), [id(1), id(3)]);
    assert_eq!(world.recorded(), [id(2).to_string()]);
    let calls = world.calls();
    assert!(
        calls.ends_with(&["GC first".into(), "GC second".into()]),
        "{calls:?}"
    );
    assert_eq!(
        world.stdin("second.GC")["cni.dev/valid-attachments"],
        json!([{"containerID": id(2).as_str(), "ifname": "eth0"}])
    );
    network.check_all().unwrap();
    assert_eq!(world.calls(), ["CHECK first", "CHECK second"]);
}

/// Many pods come and go while plugins fail at random; then everything works again, and nothing may
/// be left. `PODLING_CNI_ROUNDS` makes it longer.
#[test]
fn nothing_is_leaked_however_often_plugins_fail() {
    let rounds = std::env::var("PODLING_CNI_ROUNDS").ok();
    let rounds: u32 = rounds.and_then(|text| text.parse().ok()).unwrap_or(60);
    let world = World::configured();
    let pause = Pause::start();
    let mut network = world.open();
    let mut random = Random(7);
    let files = [
        "first.ADD.fail",
        "second.ADD.fail",
        "first.DEL.fail",
        "second.DEL.fail",
    ];
    for round in 0..rounds {
        for file in files {
            if random.below(4) == 0 {
                world.rig(file, NO_ROOM);
            }
        }
        let n = u8::try_from(round % 200).unwrap();
        // Whoever could not be detached is still there: its id is not given twice.
        if !network.needs_detaching(&id(n)).unwrap() {
            let _ = attach(&network, &request(n, &pause));
        }
        let _ = network.detach(&id(n));
        if random.below(10) == 0 {
            network = world.open();
        }
        for file in files {
            let _ = fs::remove_file(world.bin(file));
        }
    }
    network.retain(&BTreeSet::new()).unwrap();
    assert_eq!((world.held(), world.recorded()), (vec![], vec![]));
}

/// Numbers that are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

fn ready(remark: &str) -> Readiness {
    Readiness::Ready {
        remark: remark.to_owned(),
    }
}

fn readiness(network: &PodNetwork) -> Readiness {
    network.status().readiness
}

fn assert_not_ready(network: &PodNetwork, says: &str) {
    match readiness(network) {
        Readiness::NotReady { reason, message } => {
            assert_eq!(reason, "NetworkPluginNotReady");
            assert!(message.contains(says), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

/// The process that a hanging plugin has started ends.
fn assert_gone(world: &World) {
    let pid = fs::read_to_string(world.bin("hanging")).expect("a plugin was hanging");
    let stat = format!("/proc/{}/stat", pid.trim());
    // A zombie has ended, whoever is to take notice of it.
    wait_until(|| match fs::read_to_string(&stat) {
        Ok(text) => text
            .rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('Z')),
        Err(_) => true,
    });
}

fn wait_until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not come to that");
        thread::yield_now();
    }
}
