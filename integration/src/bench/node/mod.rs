//! `podling-node-bench`: what a node makes of manifests, from the file to the process and back.
//!
//! ```text
//! options ──► run ─┬─ one pod after the other: started, restarted, deleted
//!                  ├─ many at once: the last one running, the last one gone
//!                  └─ many at rest: memory and CPU
//!                       └──► report
//! ```
//!
//! What starts and stops is told by the runtime's events; what is gone, by the kubelet's list of pods.

mod events;
mod manifests;
pub mod options;
pub mod report;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::client::{Client, ClientError, RunningPod, daemon_of};
use super::process;
use events::{Events, Kind, NotSeen};
use manifests::Manifests;
use options::Options;
use report::{Figures, Rest};

use crate::harness::http;

/// How often the kubelet is asked whether a pod is gone.
const GLANCE: Duration = Duration::from_millis(2);
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum NodeBenchError {
    /// The runtime failed.
    #[error("cannot measure the node")]
    Runtime(#[from] ClientError),
    /// An event did not come.
    #[error("cannot measure the node")]
    Event(#[from] NotSeen),
    /// A manifest could not be written or removed.
    #[error("cannot change {path}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kubelet could not be asked.
    #[error("cannot ask the kubelet on {0}")]
    Kubelet(PathBuf, #[source] io::Error),
    /// A pod did not go.
    #[error("{0} pods are not gone after {PATIENCE:?}")]
    NotGone(usize),
}

/// A node that is measured.
struct Node {
    client: Client,
    events: Events,
    manifests: Manifests,
    kubelet: PathBuf,
    daemon: i32,
}

/// Measures the node, and leaves no pod behind, whatever happens.
pub async fn run(options: &Options) -> Result<Figures, NodeBenchError> {
    let run_directory = options.root.join("run/podling");
    let socket = run_directory.join("podling.sock");
    let client = Client::connect(&socket).await?;
    let mut node = Node {
        events: Events::of(&client).await?,
        client,
        manifests: Manifests::new(&options.root, &options.image),
        kubelet: run_directory.join("kubelet.sock"),
        daemon: daemon_of(&socket)?,
    };
    let figures = node.measure(options).await;
    node.manifests.remove_all();
    let gone = node.wait_gone().await;
    let figures = figures?;
    gone.map(|_| figures)
}

impl Node {
    async fn measure(&mut self, options: &Options) -> Result<Figures, NodeBenchError> {
        let mut figures = Figures::default();
        for number in 0..=options.samples {
            let lives = self.one_life(&format!("one-{number}")).await?;
            // The first is a warm-up.
            if number > 0 {
                figures.started.push(lives[0]);
                figures.restarted.push(lives[1]);
                figures.gone.push(lives[2]);
            }
        }
        for _ in 0..options.rounds {
            let (started, _) = self.start_many("many", options.at_once).await?;
            figures.many_started.push(started);
            figures.many_gone.push(self.end_many().await?);
        }
        self.start_many("rest", options.at_rest).await?;
        figures.rest = self.rest(options).await;
        self.end_many().await?;
        Ok(figures)
    }

    /// How long a pod takes to run, to run again, and to go.
    async fn one_life(&mut self, name: &str) -> Result<[Duration; 3], NodeBenchError> {
        let dropped = Instant::now();
        self.manifests.drop(name)?;
        let first = self.events.wait(Kind::Started, name).await?;
        self.client.wait_ready(&running(&first.container)).await?;
        // The call may end before or after its container does.
        let _ = self
            .client
            .exec(&running(&first.container), kill_init())
            .await;
        let stopped = self.events.wait(Kind::Stopped, name).await?;
        let second = self.events.wait(Kind::Started, name).await?;
        self.client.wait_ready(&running(&second.container)).await?;
        let removed = Instant::now();
        self.manifests.remove(name)?;
        let gone = self.wait_gone().await?;
        Ok([
            first.at.duration_since(dropped),
            second.at.duration_since(stopped.at),
            gone.duration_since(removed),
        ])
    }

    async fn start_many(
        &mut self,
        name: &str,
        count: usize,
    ) -> Result<(Duration, Vec<RunningPod>), NodeBenchError> {
        let names: Vec<String> = (0..count)
            .map(|number| format!("{name}-{number}"))
            .collect();
        let dropped = Instant::now();
        for name in &names {
            self.manifests.drop(name)?;
        }
        let (mut last, mut pods) = (dropped, Vec::new());
        for _ in &names {
            let started = self.events.wait(Kind::Started, name).await?;
            last = last.max(started.at);
            pods.push(running(&started.container));
        }
        for pod in &pods {
            self.client.wait_ready(pod).await?;
        }
        Ok((last.duration_since(dropped), pods))
    }

    async fn end_many(&mut self) -> Result<Duration, NodeBenchError> {
        let removed = Instant::now();
        self.manifests.remove_all();
        let gone = self.wait_gone().await?;
        Ok(gone.duration_since(removed))
    }

    /// Waits until the kubelet lists no pod of ours.
    async fn wait_gone(&self) -> Result<Instant, NodeBenchError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let pods = self.pods()?;
            let now = Instant::now();
            if pods == 0 {
                return Ok(now);
            }
            if now > deadline {
                return Err(NodeBenchError::NotGone(pods));
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    fn pods(&self) -> Result<usize, NodeBenchError> {
        let answer = http::get_local(&self.kubelet, "/pods")
            .map_err(|error| NodeBenchError::Kubelet(self.kubelet.clone(), error))?;
        Ok(self.manifests.count_in(&answer.text()))
    }

    async fn rest(&self, options: &Options) -> Rest {
        // What was just started may still be at work.
        tokio::time::sleep(options.window / 2).await;
        let (before, began) = (process::cpu_time(&[self.daemon]), Instant::now());
        tokio::time::sleep(options.window).await;
        let used = process::cpu_time(&[self.daemon]).saturating_sub(before);
        Rest {
            pods: options.at_rest,
            memory: process::memory(&[self.daemon]),
            cpu: 100.0 * used.as_secs_f64() / began.elapsed().as_secs_f64(),
        }
    }
}

fn kill_init() -> Vec<String> {
    ["/bin/sh", "-c", "kill -TERM 1"]
        .map(str::to_owned)
        .to_vec()
}

fn running(container: &str) -> RunningPod {
    RunningPod {
        sandbox: String::new(),
        container: container.to_owned(),
    }
}
