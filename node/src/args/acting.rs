//! The command line of what acts on pods: restart, debug, run, wait, cp.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::NamespaceArguments;
use crate::completion;
use crate::select::{FieldSelector, LabelSelector};

/// `podling restart`.
#[derive(Debug, Args)]
pub(crate) struct RestartArguments {
    /// Name of the pod; the one in a manifest will do, without the node's name.
    #[arg(add = completion::pods())]
    pub(crate) pod: String,
    /// Where to look.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
    /// Only these containers [default: all but init and ephemeral ones].
    #[arg(short, long, value_name = "CONTAINER", add = completion::containers())]
    pub(crate) container: Vec<String>,
    /// How long to wait until they have been started anew.
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse, default_value = "2m")]
    pub(crate) timeout: Duration,
}

/// `podling debug`.
#[derive(Debug, Args)]
pub(crate) struct DebugArguments {
    /// Name of the pod; the one in a manifest will do, without the node's name.
    #[arg(add = completion::pods())]
    pub(crate) pod: String,
    /// Where to look.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
    /// Image of the container that is added.
    #[arg(long)]
    pub(crate) image: String,
    /// Its name [default: debugger-XXXXX].
    #[arg(short, long, value_name = "NAME")]
    pub(crate) container: Option<String>,
    /// Container of the pod whose processes it sees.
    #[arg(long, value_name = "CONTAINER", add = completion::containers())]
    pub(crate) target: Option<String>,
    /// What it may do.
    #[arg(long, value_enum, value_name = "PROFILE", default_value = "general")]
    pub(crate) profile: Profile,
    /// How it is run, and what is done with it.
    #[command(flatten)]
    pub(crate) new: NewContainer,
    /// What follows `--` are arguments of the image's program.
    #[arg(long)]
    pub(crate) arguments_only: bool,
}

/// What a debug container may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Trace processes.
    General,
    /// What any container may.
    Baseline,
    /// As little as there is.
    Restricted,
    /// Change the network.
    Netadmin,
    /// Everything.
    Sysadmin,
}

/// `podling run`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Name of the pod and its container.
    pub(crate) name: String,
    /// Where it belongs.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
    /// Image of its container.
    #[arg(long)]
    pub(crate) image: String,
    /// How it is run, and what is done with it.
    #[command(flatten)]
    pub(crate) new: NewContainer,
    /// Delete the pod after it has exited; only when attached.
    #[arg(long)]
    pub(crate) rm: bool,
    /// What happens after the container exits [default: Always, or OnFailure with -i].
    #[arg(long, value_enum, value_name = "POLICY", ignore_case = true)]
    pub(crate) restart: Option<Restart>,
    /// Port that the container listens on.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Labels of the pod [default: run=NAME].
    #[arg(short, long, value_delimiter = ',', value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) labels: Vec<(String, String)>,
    /// Annotations of the pod.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) annotations: Vec<(String, String)>,
    /// Run the container with every right there is.
    #[arg(long)]
    pub(crate) privileged: bool,
    /// What follows `--` is the command in place of the image's, not arguments to it.
    #[arg(long)]
    pub(crate) command: bool,
    /// Print what would be written, and write nothing.
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true,
          default_missing_value = "client")]
    pub(crate) dry_run: Option<DryRun>,
    /// Directory of pod manifests [default: ROOT/etc/podling/manifests].
    #[arg(long, value_name = "DIR")]
    pub(crate) manifests: Option<std::path::PathBuf>,
    /// How long the pod may take to run before it is attached to.
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse, default_value = "1m")]
    pub(crate) pod_running_timeout: Duration,
    /// Keep standard input of the container open after the first who attaches has gone.
    #[arg(long)]
    pub(crate) leave_stdin_open: bool,
}

/// Where nothing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DryRun {
    /// Here.
    Client,
}

/// What happens after a container exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Restart {
    /// It is started again.
    #[value(name = "Always")]
    Always,
    /// It is started again if its exit code was not 0.
    #[value(name = "OnFailure")]
    OnFailure,
    /// It stays as it is.
    #[value(name = "Never")]
    Never,
}

/// A container that a command makes.
#[derive(Debug, Args)]
pub(crate) struct NewContainer {
    /// Variables of its environment.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) env: Vec<(String, String)>,
    /// When to pull its image.
    #[arg(long, value_name = "POLICY", value_parser = ["Always", "IfNotPresent", "Never"])]
    pub(crate) image_pull_policy: Option<String>,
    /// Pass standard input on, and keep it open while nobody is attached.
    #[arg(short = 'i', long)]
    pub(crate) stdin: bool,
    /// Give it a terminal.
    #[arg(short, long, requires = "stdin")]
    pub(crate) tty: bool,
    /// Attach to it once it runs [default: with -i].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    pub(crate) attach: Option<bool>,
    /// Print what comes from the container alone.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Command and arguments, after `--`.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) words: Vec<String>,
}

impl NewContainer {
    /// Whether it is attached to.
    pub(crate) fn is_attached(&self) -> bool {
        self.attach.unwrap_or(self.stdin)
    }
}

/// `podling wait`.
#[derive(Debug, Args)]
pub(crate) struct WaitArguments {
    /// Pods: `web`, `pod/web`; or `pods` alone, with a selector or --all.
    #[arg(value_name = "POD", required = true, add = completion::pods())]
    pub(crate) pods: Vec<String>,
    /// What for: create, delete, condition=NAME[=VALUE], jsonpath=PATH[=VALUE]; may be repeated.
    #[arg(long = "for", required = true, value_name = "WHAT")]
    pub(crate) conditions: Vec<crate::command::Condition>,
    /// How long: 0 looks once, a negative time is a week.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "30s",
        allow_hyphen_values = true
    )]
    pub(crate) timeout: String,
    /// Where to look.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
    /// Pods of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
    /// For all pods.
    #[arg(long)]
    pub(crate) all: bool,
    /// For all pods with these labels.
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<LabelSelector>,
    /// For all pods with these fields.
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) field_selector: Option<FieldSelector>,
}

/// `podling cp`.
#[derive(Debug, Args)]
pub(crate) struct CpArguments {
    /// From where: a path here, or `[NAMESPACE/]POD:PATH`.
    pub(crate) from: String,
    /// Where to: a path here, or `[NAMESPACE/]POD:PATH`.
    pub(crate) to: String,
    /// Where to look.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
    /// Container of the pod [default: its first].
    #[arg(short, long)]
    pub(crate) container: Option<String>,
    /// Let files in the container belong to who unpacks them there.
    #[arg(long)]
    pub(crate) no_preserve: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}
