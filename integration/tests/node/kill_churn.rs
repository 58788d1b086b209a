//! kill -9 of the daemon, again and again, while pods of all kinds come, run, end and go.
//!
//! Each container writes down what it does in a directory of the host: what was started twice, or
//! ended with something else than it says, cannot hide.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs};

use podling_integration::harness::wait::{DEADLINE, try_for, wait_for};
use podling_integration::harness::{Node, Pod};
use podling_proto::runtime::v1::ContainerState;
use serde_json::json;

use crate::pod;

/// Kills; PODLING_TEST_KILLS changes it (150 are five minutes).
const KILLS: usize = 4;
/// Pods at a time, a third of each kind; PODLING_TEST_CHURNED changes it (30 are many).
const PODS: usize = 9;
/// The longest that a daemon lives.
const LIFE: Duration = Duration::from_secs(2);
/// Whoever is busy with killing must not have a probe give up.
const PROBE: u64 = 30;
/// The pods of the last round start, and the slowest that ends takes 4 s.
const PATIENCE: Duration = Duration::from_secs(60);

fn number(variable: &str, default: usize) -> usize {
    let text = env::var(variable).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What every pod here has: an init container, and a container with hooks and probes.
struct Kind<'a> {
    image: &'a str,
    marks: &'a Path,
}

impl Kind<'_> {
    /// Runs until it is told to end.
    fn steady(&self, name: &str) -> String {
        let script = "trap 'exit 0' TERM; touch /tmp/up; sleep 1000000 & wait";
        self.pod(name, "Always", script)
    }

    /// Ends by itself.
    fn ending(&self, name: &str, code: usize) -> String {
        let seconds = code % 5;
        self.pod(
            name,
            "Never",
            &format!("touch /tmp/up; sleep {seconds}; exit {code}"),
        )
    }

    fn pod(&self, name: &str, policy: &str, script: &str) -> String {
        let mark = |what: &str| format!("echo {what} >> /marks/{name}");
        let marks = json!([{"name": "marks", "mountPath": "/marks"}]);
        let shell = |script: &str| json!(["sh", "-c", script]);
        let probe = json!({
            "exec": {"command": shell("test -e /tmp/up")},
            "periodSeconds": 1,
            "timeoutSeconds": PROBE,
            "failureThreshold": PROBE,
        });
        let spec = json!({
            "restartPolicy": policy,
            "terminationGracePeriodSeconds": PROBE,
            "initContainers": [{
                "name": "init",
                "image": self.image,
                "command": shell(&mark("init")),
                "volumeMounts": marks,
            }],
            "containers": [{
                "name": "main",
                "image": self.image,
                "command": shell(&format!("{}; {script}", mark("main"))),
                "volumeMounts": marks,
                // The least share of a busy processor is too little to start with.
                "resources": {"requests": {"cpu": "10m"}},
                "readinessProbe": probe,
                "livenessProbe": probe,
                "lifecycle": {
                    "postStart": {"exec": {"command": shell(&mark("post"))}},
                    "preStop": {"exec": {"command": shell(&mark("pre"))}},
                },
            }],
            "volumes": [{"name": "marks", "hostPath": {"path": self.marks}}],
        });
        pod(name, spec)
    }

    /// How often each thing was done in a pod.
    fn done(&self, name: &str) -> BTreeMap<String, usize> {
        let text = fs::read_to_string(self.marks.join(name)).unwrap_or_default();
        let mut done = BTreeMap::new();
        for line in text.lines() {
            *done.entry(line.to_owned()).or_default() += 1;
        }
        done
    }
}

/// No container exists twice, and no two of one name run in a pod.
async fn assert_nothing_is_double(node: &Node) {
    let (mut attempts, mut running) = (BTreeSet::new(), BTreeSet::new());
    for container in node.cri().await.containers().await {
        let metadata = container.metadata.unwrap_or_default();
        let uid = &container.labels["io.kubernetes.pod.uid"];
        let who = (uid.clone(), metadata.name);
        assert!(
            attempts.insert((who.clone(), metadata.attempt)),
            "{who:?} has two containers of attempt {}",
            metadata.attempt
        );
        if container.state == i32::from(ContainerState::ContainerRunning) {
            assert!(running.insert(who.clone()), "{who:?} runs twice");
        }
    }
}

/// The pods that a test has, and what each is to come to.
struct Herd<'a> {
    kind: Kind<'a>,
    /// Pods of each kind.
    count: usize,
    steady: Vec<String>,
    ending: Vec<(String, usize)>,
    passing: Vec<String>,
    /// Those that passed.
    went: Vec<String>,
}

impl<'a> Herd<'a> {
    fn new(node: &Node, kind: Kind<'a>, count: usize) -> Self {
        let steady: Vec<String> = (0..count).map(|number| format!("steady{number}")).collect();
        for name in &steady {
            node.manifest(&format!("{name}.json"), &kind.steady(name));
        }
        Self {
            kind,
            count,
            steady,
            ending: Vec::new(),
            passing: Vec::new(),
            went: Vec::new(),
        }
    }

    /// Some go, others come.
    fn move_on(&mut self, node: &Node, round: usize) {
        for name in self.passing.drain(..) {
            node.remove_manifest(&format!("{name}.json"));
            self.went.push(name);
        }
        for number in 0..self.count {
            let name = format!("passing{round}x{number}");
            node.manifest(&format!("{name}.json"), &self.kind.steady(&name));
            self.passing.push(name);
        }
        // Of those that have ended, the last four rounds stay.
        let replaced = self.ending.len().saturating_sub(self.count * 4);
        for (name, _) in self.ending.drain(..replaced) {
            node.remove_manifest(&format!("{name}.json"));
        }
        for number in 0..self.count {
            let name = format!("ending{round}x{number}");
            let code = (round + number) % 250 + 1;
            node.manifest(&format!("{name}.json"), &self.kind.ending(&name, code));
            self.ending.push((name, code));
        }
    }

    /// The pods that are not where they are to be, and those that are not to be at all. Of a pod
    /// that ends by itself it is enough to have `come_to` what is asked.
    fn unsettled(&self, pods: &[Pod], come_to: fn(&Pod) -> bool) -> Vec<String> {
        let running = self.steady.iter().chain(&self.passing);
        let is_ready = |name: &str| find(pods, name).is_some_and(Pod::is_ready);
        let has_come = |name: &str| find(pods, name).is_some_and(come_to);
        let late = running.clone().filter(|name| !is_ready(name));
        let ending = self.ending.iter().map(|(name, _)| name);
        let late = late.chain(ending.clone().filter(|name| !has_come(name)));
        let told = |name: &String| match find(pods, name) {
            Some(pod) => format!("{name}: {}", pod.0["status"]),
            None => format!("{name}: there is no such pod"),
        };
        let strays = pods.iter().map(Pod::name).filter(|pod| {
            let mut names = running.clone().chain(ending.clone());
            !names.any(|name| is_of(pod, name))
        });
        let strays = strays.map(|pod| format!("{pod} is still there"));
        late.map(told).chain(strays).collect()
    }

    /// Each container was started once, and each exit code is true.
    fn assert_told_truly(&self, pods: &[Pod]) {
        for name in self.steady.iter().chain(&self.passing) {
            let pod = find(pods, name).expect("it has settled");
            let done = self.kind.done(name);
            let restarts = pod.main().expect("it runs").restarts();
            assert_eq!(restarts, 0, "{name} has done {done:?}: {}", pod.0);
            // A hook that its kubelet did not live to run is not run later.
            let expected = [&["init", "main", "post"][..], &["init", "main"]].map(once);
            assert!(expected.contains(&done), "{name} has done {done:?}");
        }
        for (name, code) in &self.ending {
            let pod = find(pods, name).expect("it has settled");
            let main = pod.main().expect("it has run");
            let expected = (i64::try_from(*code).ok(), 0);
            assert_eq!(
                (main.exit_code(), main.restarts()),
                expected,
                "{name}: {}",
                pod.0
            );
            let done = self.kind.done(name);
            assert_eq!(
                (done["init"], done["main"]),
                (1, 1),
                "{name} has done {done:?}"
            );
        }
        for name in &self.went {
            let mut done = self.kind.done(name);
            // What is run before the end is run again when nobody lived to see that it was.
            done.remove("pre");
            assert!(
                done.values().all(|times| *times == 1),
                "{name} has done {done:?}"
            );
        }
    }

    /// Whether the runtime has nothing of those that passed.
    async fn have_gone(&self, node: &Node) -> bool {
        let containers = node.cri().await.containers().await;
        containers.iter().all(|container| {
            let pod = &container.labels["io.kubernetes.pod.name"];
            self.went.iter().all(|name| !is_of(pod, name))
        })
    }
}

/// Whether its container runs or has run.
fn has_begun(pod: &Pod) -> bool {
    pod.phase() == "Running" || has_failed(pod)
}

/// Whether it has ended as it does by itself.
fn has_failed(pod: &Pod) -> bool {
    pod.phase() == "Failed"
}

/// Waits until every pod is where it is to be.
async fn settle(node: &Node, herd: &Herd<'_>, come_to: fn(&Pod) -> bool) {
    let settled = try_for(PATIENCE, async || {
        let late = herd.unsettled(&node.pods(), come_to);
        late.is_empty().then_some(())
    });
    if settled.await.is_none() {
        let late = herd.unsettled(&node.pods(), come_to);
        panic!("not where they are to be: {late:#?}");
    }
}

fn find<'a>(pods: &'a [Pod], name: &str) -> Option<&'a Pod> {
    pods.iter().find(|pod| is_of(pod.name(), name))
}

/// Whether a static pod has come from a manifest of this name.
fn is_of(pod: &str, name: &str) -> bool {
    pod.strip_prefix(name)
        .is_some_and(|rest| rest.starts_with('-'))
}

fn once(things: &[&str]) -> BTreeMap<String, usize> {
    things
        .iter()
        .map(|thing| ((*thing).to_owned(), 1))
        .collect()
}

#[tokio::test]
async fn daemons_that_are_killed_restart_nothing_double_nothing_and_lose_no_exit_code() {
    let kills = number("PODLING_TEST_KILLS", KILLS);
    let count = number("PODLING_TEST_CHURNED", PODS).div_ceil(3);
    let mut node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let marks = node.folder().join("marks");
    fs::create_dir(&marks).expect("a directory for the marks");
    let kind = Kind {
        image: &image,
        marks: &marks,
    };
    let mut herd = Herd::new(&node, kind, count);
    for round in 0..kills {
        let lives_until = Instant::now() + LIFE.mul_f64((round * 7 % 10 + 1) as f64 / 10.0);
        herd.move_on(&node, round);
        // The moment of the kill is what is tried: nothing is waited for.
        tokio::time::sleep_until(lives_until.into()).await;
        node.kill9();
        node.restart().await;
        assert_nothing_is_double(&node).await;
    }

    let restarted = Instant::now();
    settle(&node, &herd, has_begun).await;
    let converged = restarted.elapsed();
    // Some take four seconds to end by themselves.
    settle(&node, &herd, has_failed).await;
    let ended = restarted.elapsed();
    println!(
        "{kills} kills: {converged:?} after the last restart all that is to run does and nothing \
         else; after {ended:?} the last has ended by itself"
    );
    assert_nothing_is_double(&node).await;
    herd.assert_told_truly(&node.pods());
    wait_for(DEADLINE, "what went has left the runtime", async || {
        herd.have_gone(&node).await.then_some(())
    })
    .await;
    node.stop().await;
}
