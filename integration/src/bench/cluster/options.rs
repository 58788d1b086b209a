//! The command line of `podling-cluster-bench`.

use std::path::PathBuf;

use clap::Parser;

const EXPLANATION: &str = "\
Rows:
  created to running    a pod made at the API server, until a watch there tells that it runs
  created to ready      the same, until it is Ready
  deleted to gone       the pod deleted with its grace, until a watch tells that its object is gone; its
                        process obeys SIGTERM at once
  all running, all gone the same of many pods at once, until the last one

The nodes take turns, pod by pod. Each pod names its node itself: no scheduler is asked.";

/// Measures nodes of a cluster as the cluster sees them.
#[derive(Clone, Debug, Parser)]
#[command(name = "podling-cluster-bench", after_help = EXPLANATION)]
pub struct Options {
    /// Directory that describes the cluster: server, ca.crt, admin.crt, admin.key (docs/cluster.md).
    #[arg(long)]
    pub cluster: PathBuf,

    /// A node that has joined; may be repeated.
    #[arg(long = "node", required = true)]
    pub nodes: Vec<String>,

    /// Image of the containers; it must be present on each node and have /bin/sh.
    #[arg(long, default_value = "docker.io/library/busybox:latest")]
    pub image: String,

    /// Pods of each node that are timed one by one.
    #[arg(short = 'n', long, default_value_t = 20)]
    pub samples: usize,

    /// Pods that are made and deleted at once.
    #[arg(long, default_value_t = 30)]
    pub at_once: usize,

    /// How often that is done.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
}
