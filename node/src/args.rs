//! The command line.

mod acting;
mod get;
mod join;
mod logs;
mod looking;
mod nri;
mod streams;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::completion;
use crate::daemon::logging::{Format, Level};
use crate::upstream_flags::UpstreamFlags;
pub(crate) use acting::{
    CpArguments, DebugArguments, NewContainer, Profile, Restart, RestartArguments, RunArguments,
    WaitArguments,
};
pub(crate) use get::{EventsArguments, Get, OutputArguments, WatchArguments};
pub(crate) use join::JoinArguments;
pub(crate) use logs::LogsArguments;
pub(crate) use looking::{ApplyArguments, DeleteArguments, Describe, Top, TopPodsArguments};
pub(crate) use nri::NriArguments;
pub(crate) use streams::{ExecArguments, Forwarding, PortForwardArguments, StreamsArguments};

/// A whole Kubernetes node: kubelet, CRI runtime and pause.
#[derive(Debug, Parser)]
#[command(name = "podling", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Directory below which every path of this node lies.
    #[arg(
        long,
        global = true,
        env = "PODLING_ROOT",
        default_value = "/",
        value_name = "DIR"
    )]
    pub(crate) root: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Every command of podling.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Those that run a node.
    #[command(flatten)]
    Daemon(Daemon),
    /// Make this machine a node of a Kubernetes cluster, as kubeadm's join does, and run the node.
    Join(Box<JoinArguments>),
    /// Those that ask one.
    #[command(flatten)]
    Ask(Ask),
}

/// The commands that run a node, or a half of it.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Daemon {
    /// Run the node: runtime and kubelet in one process, pods from ROOT/etc/podling/manifests.
    Up(UpArguments),
    /// Run only the CRI runtime, for another kubelet or for crictl.
    Runtime(RuntimeArguments),
    /// Run only the kubelet, over this root's runtime or another CRI socket.
    Kubelet(KubeletArguments),
}

impl Daemon {
    /// Which configuration it has.
    pub(crate) fn config(&self) -> &ConfigArguments {
        match self {
            Self::Up(up) => &up.runtime.config,
            Self::Runtime(runtime) => &runtime.config,
            Self::Kubelet(kubelet) => &kubelet.config,
        }
    }

    /// How the kubelet's version is to be printed instead of anything else.
    pub(crate) fn version(&self) -> Option<VersionForm> {
        match self {
            Self::Up(up) => up.kubelet.version,
            Self::Runtime(_) => None,
            Self::Kubelet(kubelet) => kubelet.kubelet.version,
        }
    }

    /// What its command line says about the log.
    pub(crate) fn log(&self) -> &LogArguments {
        match self {
            Self::Up(up) => &up.runtime.log,
            Self::Runtime(runtime) => &runtime.log,
            Self::Kubelet(kubelet) => &kubelet.log,
        }
    }
}

/// The commands that ask a running node.
#[derive(Debug, Subcommand)]
pub(crate) enum Ask {
    /// Pull an image from a registry.
    Pull(PullArguments),
    /// List the images of this node.
    Images,
    /// Remove images with all their names.
    Rmi {
        /// Names, or ids or their beginnings.
        #[arg(required = true, value_name = "IMAGE")]
        images: Vec<String>,
    },
    /// Import images from an OCI layout tar or a docker archive.
    Import {
        /// The archives.
        #[arg(required = true, value_name = "FILE")]
        archives: Vec<PathBuf>,
    },
    /// Show what the node runs.
    Get {
        /// What to show.
        #[command(subcommand)]
        what: Get,
    },
    /// Put manifests into the node's directory, which starts or replaces their pods.
    Apply(ApplyArguments),
    /// End pods: take their manifests out of the node's directory, by their files or by the pods' names.
    Delete(DeleteArguments),
    /// Show what happened to pods.
    Events(EventsArguments),
    /// Describe a pod, with what happened to it, or the node.
    Describe {
        /// What.
        #[command(subcommand)]
        what: Describe,
    },
    /// Show what pods, containers or the node use.
    Top {
        /// Of what.
        #[command(subcommand)]
        what: Top,
    },
    /// Print the log of a container.
    Logs(LogsArguments),
    /// Run a command in a container.
    Exec(ExecArguments),
    /// Examine this machine: what a node needs, what is missing, and how to mend it.
    Doctor(DoctorArguments),
    /// Attach to the process of a container.
    Attach(StreamsArguments),
    /// Start containers of a pod anew, where they are.
    Restart(RestartArguments),
    /// Add a container to a pod that runs, to look around in it.
    Debug(DebugArguments),
    /// Run a pod of one container.
    Run(RunArguments),
    /// Wait until pods are as they are waited for.
    Wait(WaitArguments),
    /// Copy files into a container or out of it.
    Cp(CpArguments),
    /// Forward ports of this machine to ports of a pod.
    PortForward(PortForwardArguments),
    /// Print what a shell evaluates to complete this command: `source <(podling completion bash)`.
    Completion {
        /// Which shell.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the version of the command and of the daemon, when one answers.
    Version,
    /// Write one file that is podling with its helper programs inside.
    #[command(hide = true)]
    Bundle {
        /// Where to.
        output: PathBuf,
    },
    /// List the points at which a test build kills itself.
    #[command(hide = true)]
    Failpoints,
}

/// A shell that completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

impl Shell {
    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }
}

/// `podling doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Configuration file that a daemon would be given [default: ROOT/etc/podling/config.yaml].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How to print it, if not as a table.
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<DoctorFormat>,
}

/// How `doctor` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DoctorFormat {
    /// For programs.
    Json,
}

/// `podling pull`.
#[derive(Debug, Args)]
pub(crate) struct PullArguments {
    /// As in a manifest: `nginx`, `registry.example/app:1`, `app@sha256:…`.
    pub(crate) image: String,
    /// Who asks the registry; without a password, it is asked for, or read from standard input.
    #[arg(long, value_name = "USER[:PASSWORD]")]
    pub(crate) creds: Option<String>,
}

/// What a daemon logs; RUST_LOG overrides how much.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogArguments {
    /// Log more: -v adds debug messages, -vv everything.
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "log_level")]
    pub(crate) verbose: u8,
    /// Log as much as upstream's kubelet does at this level: debug messages from 3, everything from 6.
    #[arg(long = "v", value_name = "LEVEL", conflicts_with_all = ["verbose", "log_level"])]
    pub(crate) verbosity: Option<u8>,
    /// How much to log [default: info].
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(crate) log_level: Option<Level>,
    /// How to write it to stderr; the journal gets fields in any case [default: text].
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<Format>,
}

/// Which configuration a daemon has.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigArguments {
    /// Configuration file; flags override it [default: ROOT/etc/podling/config.yaml, if it is there].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Say what is wrong with the configuration, or "ok", and start nothing.
    #[arg(long)]
    pub(crate) check_config: bool,
}

/// What concerns the runtime; what is not given is as the configuration file says.
#[derive(Clone, Debug, Args)]
pub(crate) struct RuntimeArguments {
    /// Addresses that pods get: an IPv4 network, an IPv6 network, or both, separated by a comma; the
    /// first one's are the pods' primary addresses [default: 10.88.0.0/16].
    #[arg(long, value_name = "CIDR[,CIDR]")]
    pub(crate) pod_cidr: Option<String>,
    /// Bridge that pods hang on; made when it does not exist [default: podling0].
    #[arg(long, value_name = "NAME")]
    pub(crate) bridge: Option<String>,
    /// Directory of CNI configurations; when it is given, the built-in bridge is not used [default:
    /// ROOT/etc/cni/net.d, and the built-in bridge while that has none].
    #[arg(long, value_name = "DIR")]
    pub(crate) cni_conf_dir: Option<PathBuf>,
    /// Directories of CNI plugins, separated by colons or in several flags [default:
    /// /opt/cni/bin:/usr/lib/cni].
    #[arg(long, value_name = "DIRS")]
    pub(crate) cni_bin_dir: Vec<String>,
    /// Kill CNI plugins that have not attached or detached a pod after so many seconds [default: 60].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) cni_timeout: Option<u32>,
    /// OCI runtime that makes the containers of pods whose RuntimeClass names this handler; may be
    /// repeated. Each of its commands may take so many seconds [default: 60].
    #[arg(long, value_name = "NAME=PATH[,timeout=SECONDS]")]
    pub(crate) runtime_handler: Vec<String>,
    /// Serve the runtime's metrics at http://ADDRESS/metrics [default: nowhere].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics_address: Option<SocketAddr>,
    /// Plugins that have a say.
    #[command(flatten)]
    pub(crate) nri: NriArguments,
    /// Where the rest stands.
    #[command(flatten)]
    pub(crate) config: ConfigArguments,
    /// How much to log.
    #[command(flatten)]
    pub(crate) log: LogArguments,
}

/// How a kubelet's version is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VersionForm {
    /// In a line.
    True,
    /// Not at all.
    False,
    /// Part by part.
    Raw,
}

/// What concerns the kubelet; what is not given is as the configuration file says.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct KubeletFlags {
    /// Directory of pod manifests [default: ROOT/etc/podling/manifests].
    #[arg(long, value_name = "DIR")]
    pub(crate) manifests: Option<PathBuf>,
    /// Name of this node [default: the host name, in lower case].
    #[arg(long, value_name = "NAME")]
    pub(crate) node_name: Option<String>,
    /// Address of the read-only HTTP server [default: 127.0.0.1:10255, or a free port when
    /// --root is given].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Directory of drop-ins: every *.conf, in the order of their names, is laid over the file.
    #[arg(long, value_name = "DIR")]
    pub(crate) config_dir: Option<PathBuf>,
    /// Print the kubelet's version, with `raw` in all its parts, and quit.
    #[arg(
        long,
        value_enum,
        value_name = "raw",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(crate) version: Option<VersionForm>,
    /// Upstream's own; --help shows them.
    #[command(flatten)]
    pub(crate) upstream: UpstreamFlags,
}

/// `podling up`.
#[derive(Clone, Debug, Args)]
pub(crate) struct UpArguments {
    /// The runtime's part.
    #[command(flatten)]
    pub(crate) runtime: RuntimeArguments,
    /// The kubelet's part.
    #[command(flatten)]
    pub(crate) kubelet: KubeletFlags,
    /// On Ctrl-C or SIGTERM end every pod and take the network down, instead of leaving the pods
    /// running for the next start.
    #[arg(long)]
    pub(crate) end_pods_on_exit: bool,
}

/// `podling kubelet`.
#[derive(Clone, Debug, Args)]
pub(crate) struct KubeletArguments {
    /// The kubelet's part.
    #[command(flatten)]
    pub(crate) kubelet: KubeletFlags,
    /// Where the rest stands.
    #[command(flatten)]
    pub(crate) config: ConfigArguments,
    /// How much to log.
    #[command(flatten)]
    pub(crate) log: LogArguments,
}

/// The namespace of a pod.
#[derive(Debug, Args)]
pub(crate) struct NamespaceArguments {
    /// Namespace of the pods.
    #[arg(short, long, default_value = "default", add = completion::namespaces())]
    pub(crate) namespace: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_root_is_accepted_before_and_after_the_command() {
        for line in [
            "podling --root /r get pods",
            "podling get pods --root /r",
            "podling get --root /r pods",
        ] {
            assert_eq!(parse(line).unwrap().root, PathBuf::from("/r"), "{line}");
        }
    }

    #[test]
    fn what_follows_two_dashes_belongs_to_the_command_that_is_run() {
        let arguments = parse("podling exec web -c c -- ls --root /x -c").unwrap();
        let Command::Ask(Ask::Exec(exec)) = arguments.command else {
            panic!("exec is parsed as exec");
        };
        assert_eq!(exec.streams.container.as_deref(), Some("c"));
        assert_eq!(exec.command, ["ls", "--root", "/x", "-c"]);
    }

    #[test]
    fn flags_of_upstreams_kubelet_are_taken_beside_podlings_own() {
        let line = "podling up --pod-cidr 10.1.0.0/16 --cgroup-root /c --max-pods=3";
        let Command::Daemon(Daemon::Up(up)) = parse(line).unwrap().command else {
            panic!("up is parsed as up");
        };
        assert_eq!(up.runtime.pod_cidr.as_deref(), Some("10.1.0.0/16"));
        let given: Vec<_> = up
            .kubelet
            .upstream
            .0
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(given, ["cgroup-root", "max-pods"]);
        let line =
            "podling kubelet --container-runtime-endpoint unix:///s --config f --root-dir /r";
        assert!(parse(line).is_ok());
    }

    #[test]
    fn a_kubelet_tells_its_version_and_logs_as_upstreams_is_told_to() {
        let daemon = |line: &str| match parse(line).unwrap().command {
            Command::Daemon(daemon) => daemon,
            Command::Join(_) | Command::Ask(_) => panic!("{line} runs a node"),
        };
        for (line, expected) in [
            ("podling kubelet --version", Some(VersionForm::True)),
            ("podling up --version=raw", Some(VersionForm::Raw)),
            ("podling kubelet --version=false", Some(VersionForm::False)),
            ("podling kubelet", None),
        ] {
            assert_eq!(daemon(line).version(), expected, "{line}");
        }
        assert!(parse("podling kubelet --version=v1.30.0").is_err());
        assert_eq!(daemon("podling kubelet --v 4").log().verbosity, Some(4));
        assert_eq!(daemon("podling up --v=2").log().verbosity, Some(2));
        assert_eq!(daemon("podling up -vv").log().verbose, 2);
        assert!(parse("podling up -v --v=2").is_err());
    }

    #[test]
    fn a_cluster_is_joined_with_the_words_that_kubeadm_prints() {
        let line = "podling join 10.0.0.1:6443 --token abcdef.0123456789abcdef \
            --discovery-token-ca-cert-hash sha256:00 --pod-cidr 10.1.0.0/16 --max-pods=3";
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let Command::Join(join) = parse(&line).unwrap().command else {
            panic!("join is parsed as join");
        };
        assert_eq!(join.endpoint.as_deref(), Some("10.0.0.1:6443"));
        assert_eq!(join.discovery_token_ca_cert_hash, ["sha256:00"]);
        assert_eq!(join.up.runtime.pod_cidr.as_deref(), Some("10.1.0.0/16"));
        let flag = ("max-pods".to_owned(), "3".to_owned());
        assert_eq!(join.up.kubelet.upstream.0, [flag]);
    }

    #[test]
    fn exec_without_a_command_is_refused() {
        assert!(parse("podling exec web").is_err());
        assert!(parse("podling exec web ls").is_err());
    }

    #[test]
    fn logs_are_of_a_pod_or_of_pods_with_labels() {
        for line in [
            "podling logs web",
            "podling logs web main --tail -1",
            "podling logs -l app=web --all-containers --max-log-requests 9",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
        for line in [
            "podling logs",
            "podling logs web -l app=web",
            "podling logs web main -c main",
            "podling logs web -c main --all-containers",
            "podling logs web --tail -2",
            "podling logs web --limit-bytes 0",
            "podling logs -l =",
            "podling logs web --since 1m --since-time 2026-01-01T00:00:00Z",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_last_lines_are_printed_of_pods_that_were_selected() {
        for (line, tail) in [
            ("podling logs web", None),
            ("podling logs web --tail 3", Some(3)),
            ("podling logs -l app", Some(10)),
            ("podling logs -l app --tail=-1", None),
        ] {
            let Command::Ask(Ask::Logs(logs)) = parse(line).unwrap().command else {
                panic!("logs is parsed as logs");
            };
            assert_eq!(logs.tail(), tail, "{line}");
        }
    }

    #[test]
    fn all_namespaces_and_one_namespace_exclude_each_other() {
        assert!(parse("podling get pods -A").is_ok());
        assert!(parse("podling get pods -A -n kube-system").is_err());
    }
}
