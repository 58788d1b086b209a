//! The command line of `logs`.

use std::time::Duration;

use clap::Args;

use super::NamespaceArguments;
use crate::completion;
use crate::select::LabelSelector;

/// How many lines of each log are printed of pods that were selected by labels.
const LINES_OF_SELECTED: u64 = 10;

/// `podling logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// Name of the pod; the one in a manifest will do, without the node's name.
    #[arg(required_unless_present = "selector", conflicts_with = "selector",
          add = completion::pods())]
    pub(crate) pod: Option<String>,
    /// Container of the pod, as with -c.
    #[arg(value_name = "CONTAINER", conflicts_with_all = ["container", "all_containers"],
          add = completion::containers())]
    pub(crate) inline_container: Option<String>,
    /// Where to look.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
    /// Of all pods with these labels.
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<LabelSelector>,
    /// Container of each pod [default: its first].
    #[arg(short, long, add = completion::containers())]
    pub(crate) container: Option<String>,
    /// Of all containers.
    #[arg(long, conflicts_with = "container")]
    pub(crate) all_containers: bool,
    /// Of all pods that are meant; begins each line with its pod and container.
    #[arg(long)]
    pub(crate) all_pods: bool,
    /// Begin each line with its pod and container.
    #[arg(long)]
    pub(crate) prefix: bool,
    /// Go on printing what is written from now on.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Of the run before the last restart.
    #[arg(short, long)]
    pub(crate) previous: bool,
    /// Only so many lines of the end, -1 for all [default: -1, or 10 with a selector].
    #[arg(long, value_name = "LINES", allow_hyphen_values = true,
          value_parser = clap::value_parser!(i64).range(-1..))]
    pub(crate) tail: Option<i64>,
    /// Begin each line with its time.
    #[arg(long)]
    pub(crate) timestamps: bool,
    /// Only so many bytes.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit_bytes: Option<u64>,
    /// Only what was written at this time or later: `2026-01-01T00:00:00Z`.
    #[arg(long, value_name = "TIME", conflicts_with = "since")]
    pub(crate) since_time: Option<String>,
    /// Only what was written in this time until now: `30s`, `5m`, `1h30m`.
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse)]
    pub(crate) since: Option<Duration>,
    /// Say what is wrong with a log, and go on with the others.
    #[arg(long)]
    pub(crate) ignore_errors: bool,
    /// Follow at most so many logs at once.
    #[arg(long, value_name = "LOGS", default_value_t = 5)]
    pub(crate) max_log_requests: usize,
    /// When following, wait so long for a container that has not started.
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse, default_value = "20s")]
    pub(crate) pod_running_timeout: Duration,
}

impl LogsArguments {
    /// The container that is named, either way.
    pub(crate) fn container(&self) -> Option<&str> {
        self.container
            .as_deref()
            .or(self.inline_container.as_deref())
    }

    /// How many lines of the end; of pods that were selected, only the last few unless all are asked for.
    pub(crate) fn tail(&self) -> Option<u64> {
        match self.tail {
            Some(lines) => u64::try_from(lines).ok(),
            None => self.selector.is_some().then_some(LINES_OF_SELECTED),
        }
    }

    /// Whether lines begin with where they are from.
    pub(crate) fn has_prefix(&self) -> bool {
        self.prefix || self.all_pods
    }
}
