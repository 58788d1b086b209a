//! The command line.

mod looking;
mod nri;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::daemon::logging::{Format, Level};
use crate::upstream_flags::UpstreamFlags;
pub(crate) use looking::{
    Describe, EventsArguments, FileArguments, GetNodesArguments, Top, TopPodsArguments,
};
pub(crate) use nri::NriArguments;

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
#[expect(
    clippy::large_enum_variant,
    reason = "there is one of it, and it is read once"
)]
pub(crate) enum Command {
    /// Those that run a node.
    #[command(flatten)]
    Daemon(Daemon),
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
    Apply(FileArguments),
    /// Take manifests out of the node's directory, which ends their pods.
    Delete(FileArguments),
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
    Attach(AttachArguments),
    /// Forward ports of this machine to ports of a pod.
    PortForward(PortForwardArguments),
    /// Print the version of the command and of the daemon, when one answers.
    Version,
    /// List the points at which a test build kills itself.
    #[command(hide = true)]
    Failpoints,
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

/// What `podling get` shows.
#[derive(Debug, Subcommand)]
pub(crate) enum Get {
    /// The pods of this node.
    #[command(visible_aliases = ["pod", "po"])]
    Pods(GetPodsArguments),
    /// This node.
    #[command(visible_aliases = ["node", "no"])]
    Nodes(GetNodesArguments),
    /// What happened to pods.
    #[command(visible_aliases = ["event", "ev"])]
    Events(EventsArguments),
}

/// `podling get pods`.
#[derive(Debug, Args)]
pub(crate) struct GetPodsArguments {
    /// Only these pods; the name in a manifest will do, without the node's name.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// How to print them.
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<OutputFormat>,
    /// Where to look.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
    /// Pods of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
}

/// How `get` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// A table with addresses and nodes.
    Wide,
    /// A v1 List in YAML, or the one pod that was named.
    Yaml,
    /// The same in JSON.
    Json,
    /// Only `pod/NAME` or `node/NAME`.
    Name,
}

/// The namespace of a pod.
#[derive(Debug, Args)]
pub(crate) struct NamespaceArguments {
    /// Namespace of the pods.
    #[arg(short, long, default_value = "default")]
    pub(crate) namespace: String,
}

/// `podling logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// Name of the pod.
    pub(crate) pod: String,
    /// Where to look.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
    /// Container of the pod [default: its first].
    #[arg(short, long)]
    pub(crate) container: Option<String>,
    /// Of all containers.
    #[arg(long, conflicts_with = "container")]
    pub(crate) all_containers: bool,
    /// Begin each line with its pod and container.
    #[arg(long)]
    pub(crate) prefix: bool,
    /// Go on printing what is written from now on.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Of the run before the last restart.
    #[arg(short, long)]
    pub(crate) previous: bool,
    /// Only so many lines of the end.
    #[arg(long, value_name = "LINES")]
    pub(crate) tail: Option<u64>,
    /// Begin each line with its time.
    #[arg(long)]
    pub(crate) timestamps: bool,
    /// Only so many bytes.
    #[arg(long, value_name = "BYTES")]
    pub(crate) limit_bytes: Option<u64>,
    /// Only what was written at this time or later: `2026-01-01T00:00:00Z`.
    #[arg(long, value_name = "TIME", conflicts_with = "since")]
    pub(crate) since_time: Option<String>,
    /// Only what was written in this time until now: `30s`, `5m`, `1h30m`.
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse)]
    pub(crate) since: Option<std::time::Duration>,
}

/// `podling exec`.
#[derive(Debug, Args)]
pub(crate) struct ExecArguments {
    /// Name of the pod.
    pub(crate) pod: String,
    /// Where to look.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
    /// Container of the pod [default: its first].
    #[arg(short, long)]
    pub(crate) container: Option<String>,
    /// Pass standard input to the command.
    #[arg(short = 'i', long)]
    pub(crate) stdin: bool,
    /// Standard input is a terminal: give the command one.
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// The command and its arguments, after `--`.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// `podling attach`.
#[derive(Debug, Args)]
pub(crate) struct AttachArguments {
    /// Name of the pod.
    pub(crate) pod: String,
    /// Where to look.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
    /// Container of the pod [default: its first].
    #[arg(short, long)]
    pub(crate) container: Option<String>,
    /// Pass standard input to the container.
    #[arg(short = 'i', long)]
    pub(crate) stdin: bool,
    /// Standard input is a terminal, and the container has one.
    #[arg(short, long)]
    pub(crate) tty: bool,
}

/// `podling port-forward`.
#[derive(Debug, Args)]
pub(crate) struct PortForwardArguments {
    /// Name of the pod.
    pub(crate) pod: String,
    /// Ports: `8080:80`, `80` for the same on both sides, `:80` for any that is free here.
    #[arg(required = true, value_name = "[LOCAL:]REMOTE", value_parser = forwarding)]
    pub(crate) ports: Vec<Forwarding>,
    /// Where to look.
    #[command(flatten)]
    pub(crate) namespace: NamespaceArguments,
    /// Addresses of this machine to listen on.
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS", value_parser = address,
          default_value = "localhost")]
    pub(crate) address: Vec<IpAddr>,
}

/// A port here and one of the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forwarding {
    /// Here; 0 for any that is free.
    pub(crate) local: u16,
    /// The pod's.
    pub(crate) remote: u16,
}

fn forwarding(text: &str) -> Result<Forwarding, String> {
    let (local, remote) = text.split_once(':').unwrap_or((text, text));
    let number = |text: &str| text.parse::<u16>().ok();
    let local = if local.is_empty() {
        Some(0)
    } else {
        number(local)
    };
    match (local, number(remote)) {
        (Some(local), Some(remote)) if remote > 0 => Ok(Forwarding { local, remote }),
        _ => Err(format!("{text:?} is not a pair of ports like 8080:80")),
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    if text == "localhost" {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    text.parse()
        .map_err(|_| format!("{text:?} is not an IP address or localhost"))
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
        assert_eq!(exec.container.as_deref(), Some("c"));
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
    fn ports_are_forwarded_from_the_same_another_or_any_port() {
        for (text, local, remote) in [("80", 80, 80), ("8080:80", 8080, 80), (":80", 0, 80)] {
            assert_eq!(forwarding(text), Ok(Forwarding { local, remote }), "{text}");
        }
        for text in ["", ":", "80:", "0", "a:80", "80:70000"] {
            assert!(forwarding(text).is_err(), "{text}");
        }
    }

    #[test]
    fn exec_without_a_command_is_refused() {
        assert!(parse("podling exec web").is_err());
        assert!(parse("podling exec web ls").is_err());
    }

    #[test]
    fn all_namespaces_and_one_namespace_exclude_each_other() {
        assert!(parse("podling get pods -A").is_ok());
        assert!(parse("podling get pods -A -n kube-system").is_err());
    }
}
