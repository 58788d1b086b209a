//! The command line of `get` and `events`.

use clap::{Args, Subcommand};

use super::NamespaceArguments;
use crate::completion;
use crate::print::form::Form;
use crate::resource::Resource;
use crate::select::{FieldSelector, LabelSelector};

/// What `podling get` shows.
#[derive(Debug, Subcommand)]
pub(crate) enum Get {
    /// The pods of this node.
    #[command(visible_aliases = ["pod", "po"])]
    Pods(GetArguments),
    /// This node.
    #[command(visible_aliases = ["node", "no"])]
    Nodes(GetArguments),
    /// What happened to pods.
    #[command(visible_aliases = ["event", "ev"])]
    Events(GetArguments),
}

impl Get {
    /// The kind of objects, and the rest.
    pub(crate) fn parts(self) -> (Resource, GetArguments) {
        match self {
            Self::Pods(arguments) => (Resource::Pods, arguments),
            Self::Nodes(arguments) => (Resource::Nodes, arguments),
            Self::Events(arguments) => (Resource::Events, arguments),
        }
    }
}

/// `podling get`.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// Only these; a pod's name in its manifest will do, without the node's name.
    #[arg(value_name = "NAME", add = completion::pods())]
    pub(crate) names: Vec<String>,
    /// How to print them.
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    /// How long to look.
    #[command(flatten)]
    pub(crate) watch: WatchArguments,
    /// Where to look.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
    /// Objects of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
    /// Only those with these labels: `app=web,tier in (a,b),!old`.
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<LabelSelector>,
    /// Only those with these fields: `status.phase=Running,metadata.name!=web`.
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) field_selector: Option<FieldSelector>,
    /// In the order of a field: `.metadata.creationTimestamp`.
    #[arg(long, value_name = "PATH")]
    pub(crate) sort_by: Option<String>,
    /// Add all labels, in a last column.
    #[arg(long)]
    pub(crate) show_labels: bool,
    /// Add a column for each of these labels.
    #[arg(short = 'L', long, value_delimiter = ',', value_name = "LABELS")]
    pub(crate) label_columns: Vec<String>,
    /// Print names with their kind.
    #[arg(long)]
    pub(crate) show_kind: bool,
    /// Names that nothing has are no failure.
    #[arg(long)]
    pub(crate) ignore_not_found: bool,
}

/// How objects are printed.
#[derive(Debug, Args)]
pub(crate) struct OutputArguments {
    /// How to print them: wide, yaml, json, name, jsonpath=TEMPLATE, jsonpath-as-json=TEMPLATE,
    /// jsonpath-file=FILE, custom-columns=NAME:PATH,…, custom-columns-file=FILE.
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Form>,
    /// Tables without their first line.
    #[arg(long)]
    pub(crate) no_headers: bool,
}

/// How long to look.
#[derive(Debug, Default, Args)]
pub(crate) struct WatchArguments {
    /// Go on with what changes, until Ctrl-C.
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// Only what changes from now on.
    #[arg(long)]
    pub(crate) watch_only: bool,
    /// Print what happened to each: ADDED, MODIFIED or DELETED.
    #[arg(long)]
    pub(crate) output_watch_events: bool,
}

/// `podling events`.
#[derive(Debug, Args)]
pub(crate) struct EventsArguments {
    /// Only of this pod; the name in a manifest will do: `web`, `pod/web`.
    #[arg(long = "for", value_name = "POD", add = completion::pods())]
    pub(crate) pod: Option<String>,
    /// Only of these types: Normal, Warning.
    #[arg(long, value_delimiter = ',', value_name = "TYPES")]
    pub(crate) types: Vec<String>,
    /// Go on with what happens, until Ctrl-C.
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// How to print them.
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    /// Where to look.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
    /// Events of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
}
