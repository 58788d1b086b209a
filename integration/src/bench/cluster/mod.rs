//! `podling-cluster-bench`: what the nodes of a cluster make of its pods, as seen at the API server.
//!
//! ```text
//! options ──► run ─┬─ one pod after the other, the nodes in turn: running, ready, gone
//!                  └─ many at once on each node: the last one running, the last one gone
//!                       └──► report
//! ```

mod api;
pub mod options;
pub mod report;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::try_join_all;

pub use api::ApiError;
use api::{Api, Seen, Watch};
use options::Options;
use report::Figures;

/// What runs has set its handler of SIGTERM by then: without one it would use up its grace.
const SETTLED: Duration = Duration::from_millis(500);

/// Measures each node, and leaves no pod behind, whatever happens.
pub async fn run(options: &Options) -> Result<Vec<Figures>, ApiError> {
    let api = Api::new(&options.cluster, &options.image)?;
    clean(&api).await?;
    let figures = measure(options, &api).await;
    let cleaned = clean(&api).await;
    let figures = figures?;
    cleaned.map(|()| figures)
}

/// Has all pods of a bench gone, also of one that was interrupted.
async fn clean(api: &Api) -> Result<(), ApiError> {
    let mut watch = api.watch().await?;
    let (names, _) = api.list().await?;
    try_join_all(names.iter().map(|name| api.delete(name))).await?;
    all(&mut watch, names, "gone", |seen| seen.is_gone).await?;
    Ok(())
}

async fn measure(options: &Options, api: &Api) -> Result<Vec<Figures>, ApiError> {
    let named = |node: &String| Figures {
        node: node.clone(),
        ..Figures::default()
    };
    let mut nodes: Vec<Figures> = options.nodes.iter().map(named).collect();
    let mut watch = api.watch().await?;
    for number in 0..=options.samples {
        for (index, figures) in nodes.iter_mut().enumerate() {
            let name = format!("one-{index}-{number}");
            // The first is a warm-up.
            let counts = number > 0;
            one_life(api, &mut watch, &name, figures, counts).await?;
        }
    }
    for round in 0..options.rounds {
        for (index, figures) in nodes.iter_mut().enumerate() {
            let name = |number| format!("many-{index}-{round}-{number}");
            let names: Vec<String> = (0..options.at_once).map(name).collect();
            many(api, &mut watch, names, figures).await?;
        }
    }
    Ok(nodes)
}

async fn one_life(
    api: &Api,
    watch: &mut Watch,
    name: &str,
    figures: &mut Figures,
    counts: bool,
) -> Result<(), ApiError> {
    let created = Instant::now();
    api.create(&figures.node, name).await?;
    // A pod may be told to run and to be ready at once.
    let mut running = None;
    let ready = loop {
        let seen = watch.next().await.ok_or_else(|| ApiError::NotSeen {
            pod: name.to_owned(),
            what: "ready",
        })?;
        if seen.pod != name {
            continue;
        }
        if seen.is_running {
            running.get_or_insert(seen.at);
        }
        if seen.is_ready {
            break seen.at;
        }
    };
    tokio::time::sleep(SETTLED).await;
    let deleted = Instant::now();
    api.delete(name).await?;
    let gone = watch.wait(name, "gone", |seen| seen.is_gone).await?;
    if counts {
        let running = running.unwrap_or(ready);
        figures.running.push(running.duration_since(created));
        figures.ready.push(ready.duration_since(created));
        figures.gone.push(gone.duration_since(deleted));
    }
    Ok(())
}

async fn many(
    api: &Api,
    watch: &mut Watch,
    names: Vec<String>,
    figures: &mut Figures,
) -> Result<(), ApiError> {
    let created = Instant::now();
    let creations = names.iter().map(|name| api.create(&figures.node, name));
    try_join_all(creations).await?;
    let running = all(watch, names.clone(), "running", |seen| seen.is_running).await?;
    tokio::time::sleep(SETTLED).await;
    let deleted = Instant::now();
    try_join_all(names.iter().map(|name| api.delete(name))).await?;
    let gone = all(watch, names, "gone", |seen| seen.is_gone).await?;
    figures.all_running.push(running.duration_since(created));
    figures.all_gone.push(gone.duration_since(deleted));
    Ok(())
}

/// When the last of these pods was told to be so; now when there are none.
async fn all(
    watch: &mut Watch,
    names: Vec<String>,
    what: &'static str,
    is_so: fn(&Seen) -> bool,
) -> Result<Instant, ApiError> {
    let mut left: BTreeSet<String> = names.into_iter().collect();
    let mut last = Instant::now();
    while let Some(first) = left.first() {
        let missing = || ApiError::NotSeen {
            pod: first.clone(),
            what,
        };
        let seen = watch.next().await.ok_or_else(missing)?;
        if is_so(&seen) && left.remove(&seen.pod) {
            last = seen.at;
        }
    }
    Ok(last)
}
