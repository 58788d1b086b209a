//! What others take away from the bridge is made again without a restart.

use std::fs;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use crate::world::{BRIDGE, DEADLINE, World, interfaces, run, run_in};
use podling_runtime::network::{
    CniSettings, Keeper, NetworkSettings, PodNetwork, Readiness, UseCni,
};
use tokio_util::sync::CancellationToken;

fn open(world: &World) -> PodNetwork {
    let cni = CniSettings {
        conf_dir: world.state.path().join("conf"),
        bin_dirs: Vec::new(),
        state_dir: world.state.path().join("cni"),
        time_limit: DEADLINE,
        boot_id: "this boot".to_owned(),
        pod_cidr: world.settings().cidr,
    };
    let settings = NetworkSettings {
        bridge: world.settings(),
        cni,
        use_cni: UseCni::WhenConfigured,
    };
    world
        .on_host(|| PodNetwork::open(settings))
        .expect("a network")
}

fn well() -> Readiness {
    Readiness::Ready {
        remark: String::new(),
    }
}

fn has_rules(world: &World) -> bool {
    run(&world.host, "nft", &["list", "ruleset"]).contains("masquerade")
}

#[test]
fn who_asks_how_the_network_is_has_it_mended() {
    let world = World::new();
    let network = open(&world);
    let ready = || world.on_host(|| network.status().readiness);
    assert_eq!(ready(), well());
    run(&world.host, "nft", &["flush", "ruleset"]);
    run_in(&world.host, &["link", "delete", BRIDGE]);
    assert_eq!(ready(), well());
    assert_eq!(interfaces(&world.host), ["lo", BRIDGE]);
    assert!(has_rules(&world));
    // What cannot be mended is told.
    run_in(&world.host, &["link", "delete", BRIDGE]);
    run_in(&world.host, &["link", "add", BRIDGE, "type", "bridge"]);
    assert!(matches!(ready(), Readiness::NotReady { .. }));
}

/// Keeps the network until the end, on a thread of the host's namespace.
fn keep(world: &World, network: Arc<PodNetwork>, until: CancellationToken, begun: &Barrier) {
    world.on_host(|| {
        // Whatever it starts is in this namespace too.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let keeper = Keeper::of(network).expect("the kernel tells of changes");
            begun.wait();
            keeper.run(until).await;
        });
    });
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_is_taken_away_is_made_again_though_nobody_asks() {
    let world = World::new();
    let network = Arc::new(open(&world));
    let forwards = || {
        let read = || fs::read_to_string("/proc/sys/net/ipv4/ip_forward");
        world.on_host(read).expect("a switch").trim() == "1"
    };
    let has_bridge = || interfaces(&world.host).contains(&BRIDGE.to_owned());
    let end = CancellationToken::new();
    let begun = Barrier::new(2);
    std::thread::scope(|scope| {
        let keeping = scope.spawn(|| keep(&world, Arc::clone(&network), end.clone(), &begun));
        let _ended = end.clone().drop_guard();
        begun.wait();
        run(&world.host, "nft", &["flush", "ruleset"]);
        wait_until("the rules are there again", || has_rules(&world));
        run_in(&world.host, &["link", "delete", BRIDGE]);
        wait_until("the bridge is there again", || {
            has_bridge() && has_rules(&world)
        });
        let stop_forwarding = || fs::write("/proc/sys/net/ipv4/ip_forward", "0");
        world.on_host(stop_forwarding).expect("a switch");
        wait_until("packets are forwarded again", forwards);
        end.cancel();
        keeping.join().expect("it ends when it is told to");
    });
}
