//! What a pod, a launch and an exec take, and what a pod's own processes weigh.
//!
//! `cargo bench -p podling-runtime --bench monitor`; `PODLING_TEST_PAUSE` names the pause to use.

#[path = "../tests/pod/mod.rs"]
mod pod;

use std::fs;
use std::time::Instant;

use pod::{Pod, process};

const ROUNDS: usize = 40;
const PODS: usize = 10;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a tokio runtime");
    runtime.block_on(measure());
}

async fn measure() {
    let mut pods = Vec::new();
    let mut starts = Vec::new();
    for _ in 0..PODS {
        let pod = Pod::start().await;
        starts.push(pod.started_in.as_secs_f64());
        pods.push(pod);
    }
    print_line("start monitor and pause", &mut starts);
    let monitors: Vec<i32> = pods.iter().map(|pod| parent(pod.pause)).collect();
    weigh("idle", &monitors, &pods);

    let pod = pods.first_mut().expect("a pod");
    print_launches("launch /bin/sleep", pod, false).await;
    print_launches("launch, default seccomp", pod, true).await;
    print_execs(pod).await;
    weigh("after 80 launches and 40 execs in one", &monitors, &pods);
}

async fn print_launches(name: &str, pod: &mut Pod, seccomp: bool) {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let mut container = pod.container("");
        container.args(&["/bin/sleep", "1000"]);
        if seccomp && let Some(profile) = profile() {
            container.spec["linux"]["seccomp"] = profile;
            container.request.seccomp_cache = Some(pod.dir.path().to_owned());
        }
        let begun = Instant::now();
        pod.launch(&container).await.expect("a launch");
        times.push(begun.elapsed().as_secs_f64());
        pod.client.kill(container.id()).await.expect("a kill");
        pod.ended(container.id()).await;
        pod.client
            .forget(container.id())
            .await
            .expect("it has ended");
    }
    print_line(name, &mut times);
}

async fn print_execs(pod: &mut Pod) {
    let mut container = pod.container("");
    container.args(&["/bin/sleep", "1000"]);
    pod.launch(&container).await.expect("a launch");
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        pod.exec(container.id(), process(&["true"]))
            .await
            .expect("an exec");
        times.push(begun.elapsed().as_secs_f64());
    }
    print_line("exec true, to its end", &mut times);
}

fn print_line(what: &str, seconds: &mut [f64]) {
    seconds.sort_by(f64::total_cmp);
    let at = |part: usize| seconds[(seconds.len() - 1) * part / 100] * 1e3;
    println!("{what:40} p50 {:6.2} ms   p95 {:6.2} ms", at(50), at(95));
}

fn weigh(when: &str, monitors: &[i32], pods: &[Pod]) {
    let monitor: u64 = monitors.iter().map(|pid| pss(*pid)).sum();
    let pause: u64 = pods.iter().map(|pod| pss(pod.pause)).sum();
    let pods = pods.len() as u64;
    let busiest = pss(monitors[0]);
    println!(
        "PSS a pod, {when}: monitor {} KiB (first {busiest}), pause {} KiB",
        monitor / pods,
        pause / pods
    );
}

fn pss(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("its memory");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .expect("a Pss line");
    line.split_whitespace()
        .next()
        .expect("a number")
        .parse()
        .expect("a number")
}

fn parent(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let after_name = stat.rsplit_once(") ").expect("a name").1;
    after_name
        .split(' ')
        .nth(1)
        .expect("a parent")
        .parse()
        .expect("a pid")
}

/// A profile of the node to measure with, in OCI form: `PODLING_BENCH_SECCOMP`.
fn profile() -> Option<serde_json::Value> {
    let path = std::env::var_os("PODLING_BENCH_SECCOMP")?;
    serde_json::from_slice(&fs::read(path).expect("the profile")).ok()
}
