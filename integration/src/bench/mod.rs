//! `podling-bench`: what a pod costs, through any CRI socket, beside the floor of the kernel.
//!
//! ```text
//! options ──► run ─┬─ floor     a worker process: bare syscalls, one pod for each request
//!                  ├─ client    one pod's life by CRI, each RPC timed    (taking turns)
//!                  └─ load      many pods: throughput, memory, CPU       (one runtime at a time)
//!                       └──► report ──► tables or JSON
//! ```
//!
//! Every sandbox carries a label with the run's name, and whatever carries it is removed at the end,
//! also after an error and on Ctrl-C.

pub mod client;
pub mod cluster;
pub mod floor;
pub mod load;
pub mod node;
pub mod options;
pub mod pod;
pub mod process;
pub mod report;
pub mod statistics;
pub mod step;
pub mod sys;
pub mod table;

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use client::{Client, ClientError};
use floor::{Floor, FloorError};
use load::Subject;
use options::{Endpoint, Options};
use pod::PodSpec;
use report::Row;

/// Pods at the beginning that are not counted.
const WARM_UP: usize = 2;
/// How long a dropped call may take to finish what it began.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// Why a run ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A runtime failed.
    #[error("cannot measure {endpoint}")]
    Endpoint {
        /// Its name.
        endpoint: String,
        /// Why.
        source: ClientError,
    },
    /// The floor failed.
    #[error("cannot measure the floor")]
    Floor(#[from] FloorError),
    /// No runtime could be started for asynchronous work, or no signal be caught.
    #[error("cannot start")]
    Start(#[source] std::io::Error),
    /// Ctrl-C or SIGTERM.
    #[error("interrupted")]
    Interrupted,
}

/// Measures, cleans up, and returns the rows: the floor first, unless it is left out.
pub fn run(options: &Options) -> Result<Vec<Row>, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::Start)?;
    runtime.block_on(async {
        let name = format!("podling-bench-{}", std::process::id());
        let mut measured = tokio::select! {
            measured = measure(options, &name) => measured,
            // Whatever is under way is dropped; the sandboxes it made are found by their label.
            interrupted = interrupted() => interrupted.and(Err(BenchError::Interrupted)),
        };
        for endpoint in &options.endpoints {
            let cleaned = clean(endpoint, &name, measured.is_err()).await;
            measured = measured.and_then(|rows| cleaned.map(|()| rows));
        }
        measured
    })
}

async fn measure(options: &Options, run: &str) -> Result<Vec<Row>, BenchError> {
    let mut floor = match options.no_floor {
        true => None,
        false => Some(Floor::start(options.network)?),
    };
    let mut clients = Vec::new();
    for endpoint in &options.endpoints {
        let client = Client::connect(&endpoint.socket).await;
        clients.push(client.map_err(|source| failed(endpoint, source))?);
    }
    let names = options.endpoints.iter().map(|endpoint| &endpoint.name);
    let mut rows: Vec<Row> = names.map(|name| named(name)).collect();
    let mut floor_row = named(report::FLOOR);
    for number in 0..WARM_UP + options.samples {
        let is_counted = number >= WARM_UP;
        if let Some(floor) = &mut floor {
            let cycle = floor.cycle()?;
            floor_row.cycles.extend(is_counted.then_some(cycle));
        }
        let spec = PodSpec::new(options, run, number);
        for ((endpoint, client), row) in options.endpoints.iter().zip(&clients).zip(&mut rows) {
            let cycle = client.cycle(&spec).await;
            let cycle = cycle.map_err(|source| failed(endpoint, source))?;
            row.cycles.extend(is_counted.then_some(cycle));
        }
    }
    if options.pods > 0 {
        for ((endpoint, client), row) in options.endpoints.iter().zip(&clients).zip(&mut rows) {
            let load = put_under_load(options, run, endpoint, client).await;
            row.load = Some(load.map_err(|source| failed(endpoint, source))?);
        }
    }
    if floor.is_some() {
        rows.insert(0, floor_row);
    }
    Ok(rows)
}

async fn put_under_load(
    options: &Options,
    run: &str,
    endpoint: &Endpoint,
    client: &Client,
) -> Result<report::Load, ClientError> {
    let subject = Subject {
        client,
        daemon: client::daemon_of(&endpoint.socket)?,
        run,
    };
    subject.measure(options).await
}

/// On a connection of its own: the measuring one may hang in a call that was dropped. Such a call may
/// also still make a sandbox, so that a second look is taken a little later.
async fn clean(endpoint: &Endpoint, run: &str, was_cut_off: bool) -> Result<(), BenchError> {
    let clean = async {
        let client = Client::connect(&endpoint.socket).await?;
        client.remove_all(run).await?;
        if was_cut_off {
            tokio::time::sleep(SECOND_LOOK).await;
            client.remove_all(run).await?;
        }
        Ok(())
    };
    let cleaned = clean.await.map_err(|source| failed(endpoint, source));
    // The runtimes made the log directories; a run without pods has none.
    let _ = std::fs::remove_dir_all(format!("/tmp/{run}"));
    cleaned
}

async fn interrupted() -> Result<(), BenchError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(BenchError::Start)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(BenchError::Start)?;
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

fn named(name: &str) -> Row {
    Row {
        name: name.to_owned(),
        ..Row::default()
    }
}

fn failed(endpoint: &Endpoint, source: ClientError) -> BenchError {
    BenchError::Endpoint {
        endpoint: endpoint.name.clone(),
        source,
    }
}

/// The error and what led to it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
