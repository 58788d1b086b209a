//! `podling logs`: of a container, of all of a pod, or of pods with labels.
//!
//! ```text
//! arguments ─► queries, one a container ─┬─► one after the other ──────────────┬─► prefix ─► stdout
//!                                        └─► followed together, line by line ──┘
//! ```

mod lines;
mod together;

use std::process::ExitCode;
use std::time::Duration;

use hyper::Response;
use hyper::body::Incoming;
use podling_runtime::layout::Layout;
use tokio::time::Instant;

use super::target::chosen_container;
use super::{Outcome, output};
use crate::args::LogsArguments;
use crate::kubelet::pod::{self, ChoiceError, Pod};
use crate::kubelet::{Kubelet, KubeletError, LogQuery, next_chunk};
use lines::Lines;

/// Between two tries of a container that has not started.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) async fn run(layout: &Layout, arguments: &LogsArguments) -> Outcome {
    let kubelet = Kubelet::of(layout);
    let pods = kubelet.pods().await?;
    let chosen = choose(&pods, arguments)?;
    if chosen.is_empty() {
        let namespace = &arguments.namespace.namespace;
        eprintln!("No resources found in {namespace} namespace.");
        return Ok(ExitCode::SUCCESS);
    }
    let mut queries = Vec::new();
    for pod in chosen {
        for container in containers(pod, arguments)? {
            queries.push(query(pod, container, arguments));
        }
    }
    if arguments.follow && queries.len() > 1 {
        if queries.len() > arguments.max_log_requests {
            return Err(too_many(queries.len(), arguments.max_log_requests).into());
        }
        together::follow(&kubelet, queries, arguments).await?;
        return Ok(ExitCode::SUCCESS);
    }
    for query in queries {
        let mut log = Log::new(&kubelet, query, arguments);
        forgive(print(&mut log).await, arguments)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The pods that are meant.
fn choose<'a>(pods: &'a [Pod], arguments: &LogsArguments) -> Result<Vec<&'a Pod>, ChoiceError> {
    let namespace = &arguments.namespace.namespace;
    if let Some(name) = &arguments.pod {
        return Ok(vec![pod::find(pods, namespace, name)?]);
    }
    let labels = arguments.selector.clone().unwrap_or_default();
    let is_meant = |pod: &&Pod| pod.namespace() == namespace && labels.takes(&pod.raw);
    let mut chosen: Vec<_> = pods.iter().filter(is_meant).collect();
    chosen.sort_by_key(|pod| pod.name());
    Ok(chosen)
}

fn containers<'a>(pod: &'a Pod, arguments: &LogsArguments) -> Result<Vec<&'a str>, ChoiceError> {
    if arguments.all_containers {
        return Ok(pod.containers_in_order());
    }
    Ok(vec![chosen_container(pod, arguments.container())?])
}

fn too_many(logs: usize, most: usize) -> String {
    format!(
        "you are attempting to follow {logs} log streams, but maximum allowed concurrency is {most}, \
         use --max-log-requests to increase the limit"
    )
}

fn query(pod: &Pod, container: &str, arguments: &LogsArguments) -> LogQuery {
    LogQuery {
        namespace: pod.namespace().to_owned(),
        pod: pod.name().to_owned(),
        container: container.to_owned(),
        follow: arguments.follow,
        previous: arguments.previous,
        timestamps: arguments.timestamps,
        tail_lines: arguments.tail(),
        // A part of a second is rounded up: the kubelet counts whole ones.
        since_seconds: arguments
            .since
            .map(|since| since.as_secs_f64().ceil() as u64),
        since_time: arguments.since_time.clone(),
        limit_bytes: arguments.limit_bytes,
    }
}

async fn print(log: &mut Log) -> Result<(), Box<dyn std::error::Error>> {
    while let Some(piece) = log.next().await? {
        output::write(&piece)?;
    }
    Ok(())
}

/// A failure, unless those are only to be told.
fn forgive<E: std::fmt::Display>(
    result: Result<(), E>,
    arguments: &LogsArguments,
) -> Result<(), E> {
    match result {
        Err(error) if arguments.ignore_errors => {
            println!("error: {error}");
            Ok(())
        }
        other => other,
    }
}

/// One log as it is read, each line with its prefix.
struct Log {
    kubelet: Kubelet,
    query: LogQuery,
    lines: Lines,
    /// How long its container may take to start; nothing when it must have.
    patience: Option<Duration>,
    state: State,
}

/// How far a log has been read.
enum State {
    Unopened,
    Open(Response<Incoming>),
    Over,
}

impl Log {
    fn new(kubelet: &Kubelet, query: LogQuery, arguments: &LogsArguments) -> Self {
        let prefix = match arguments.has_prefix() {
            true => format!("[pod/{}/{}] ", query.pod, query.container),
            false => String::new(),
        };
        let is_patient = arguments.follow && !arguments.ignore_errors;
        Self {
            kubelet: kubelet.clone(),
            query,
            lines: Lines::new(prefix),
            patience: is_patient.then_some(arguments.pod_running_timeout),
            state: State::Unopened,
        }
    }

    /// The next whole lines; nothing after the last.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, KubeletError> {
        loop {
            match &mut self.state {
                State::Unopened => self.state = State::Open(self.open().await?),
                State::Open(answer) => {
                    match next_chunk(answer).await.map_err(KubeletError::Answer)? {
                        Some(chunk) => return Ok(Some(self.lines.of(&chunk))),
                        None => {
                            self.state = State::Over;
                            return Ok(Some(self.lines.rest()));
                        }
                    }
                }
                State::Over => return Ok(None),
            }
        }
    }

    /// Asks for the log; a container that has not started is waited for.
    async fn open(&self) -> Result<Response<Incoming>, KubeletError> {
        let deadline = self.patience.map(|patience| Instant::now() + patience);
        loop {
            match self.kubelet.logs(&self.query).await {
                Err(KubeletError::Refused(why))
                    if deadline.is_some_and(|end| Instant::now() < end) =>
                {
                    eprintln!("{why}");
                    tokio::time::sleep(AGAIN).await;
                }
                other => return other,
            }
        }
    }
}
