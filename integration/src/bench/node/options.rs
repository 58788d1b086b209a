//! The command line of `podling-node-bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

const EXPLANATION: &str = "\
Rows:
  dropped to running    a manifest moved into the directory, until the runtime tells that its container
                        has started
  exit to restart       a container's end told, until the start of the next one (the first restart, which
                        waits for nothing)
  removed to gone       the manifest removed, until the kubelet lists the pod no longer; its process
                        obeys SIGTERM at once
  all running, all gone the same of many pods at once, until the last one
  idle CPU, RSS         of the daemon, kubelet and runtime together, with many pods at rest";

/// Measures a whole node: what becomes of manifests, and how soon.
#[derive(Clone, Debug, Parser)]
#[command(name = "podling-node-bench", after_help = EXPLANATION)]
pub struct Options {
    /// Root of a node that runs (`podling up --root DIR`).
    #[arg(long)]
    pub root: PathBuf,

    /// Image of the containers; it must be present and have /bin/sh.
    #[arg(long, default_value = "docker.io/library/busybox:latest")]
    pub image: String,

    /// Pods that are timed one by one.
    #[arg(short = 'n', long, default_value_t = 20)]
    pub samples: usize,

    /// Pods that are started and ended at once.
    #[arg(long, default_value_t = 30)]
    pub at_once: usize,

    /// How often that is done.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,

    /// Pods with which the node rests.
    #[arg(long, default_value_t = 60)]
    pub at_rest: usize,

    /// Seconds over which it rests.
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub window: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
