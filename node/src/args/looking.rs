//! The command line of what shows the node and its pods, and of what puts manifests in place.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::NamespaceArguments;
use crate::completion;

/// `podling apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    /// Manifests; `-` is standard input.
    #[arg(short = 'f', long = "filename", required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Directory of pod manifests [default: ROOT/etc/podling/manifests].
    #[arg(long, value_name = "DIR")]
    pub(crate) manifests: Option<PathBuf>,
}

/// `podling delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    /// Manifests; `-` is standard input.
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Pods: `pod web`, `pod/web` or `web`; the name in a manifest will do, without the node's name.
    #[arg(value_name = "POD", required_unless_present = "files", conflicts_with = "files",
          add = completion::pods())]
    pub(crate) pods: Vec<String>,
    /// Directory of pod manifests [default: ROOT/etc/podling/manifests].
    #[arg(long, value_name = "DIR")]
    pub(crate) manifests: Option<PathBuf>,
    /// Wait until the pods have gone.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(crate) wait: bool,
    /// How long to wait; 0 is without end.
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Where to look.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
}

/// What `podling describe` describes.
#[derive(Debug, Subcommand)]
pub(crate) enum Describe {
    /// A pod.
    #[command(visible_aliases = ["pods", "po"])]
    Pod {
        /// Its name; the one in a manifest will do, without the node's name.
        #[arg(add = completion::pods())]
        name: String,
        /// Where to look.
        #[command(flatten)]
        namespace: NamespaceArguments,
    },
    /// The node.
    #[command(visible_aliases = ["nodes", "no"])]
    Node,
}

/// What `podling top` shows.
#[derive(Debug, Subcommand)]
pub(crate) enum Top {
    /// Pods, or their containers.
    #[command(visible_aliases = ["pod", "po"])]
    Pods(TopPodsArguments),
    /// The node.
    #[command(visible_aliases = ["nodes", "no"])]
    Node,
}

/// `podling top pods`.
#[derive(Debug, Args)]
pub(crate) struct TopPodsArguments {
    /// Only these pods; the name in a manifest will do, without the node's name.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// A row for each container.
    #[arg(long)]
    pub(crate) containers: bool,
    /// Where to look.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
    /// Pods of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
}
