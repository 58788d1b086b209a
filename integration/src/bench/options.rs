//! The command line of `podling-bench`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, ValueEnum};

const EXPLANATION: &str = "\
Rows:
  floor      the bare syscalls of the same work, done by one small single-threaded process: clone3
             with new namespaces, a veth pair with address and route, cgroups with limits, overlay
             and the usual mounts, pivot_root, exec of a static program of some hundred bytes. It
             has a network, mounts and cgroups of its own; nothing of it stays.
  endpoints  in turn, one pod each, so that all see the same machine.

Columns:
  RunPodSandbox ... RemovePodSandbox   that RPC alone; ExecSync runs --exec
  Run+Create+Start, Stop+Remove        the sum for each pod, then its quantiles
  x floor                              the p50 of that sum against the floor's
  pods/s, 8 at once                    pods started (Run+Create+Start) a second, one after the other
                                       and by eight clients
  idle, loaded PSS/RSS                 memory of the daemon before and with these pods
  helpers/pod, KiB/pod                 processes per pod that are neither daemon nor workload
                                       (shim or monitor, pause), and their PSS
  all PSS                              daemon and helpers with these pods
  CPU %, helpers %                     CPU time of daemon and helpers while nothing happens, of
                                       one core, over --window

How processes are found: the daemon is the peer of the socket (SO_PEERCRED). A helper is a process
that was not there before the pods were started, and that descends from the daemon, or names a
sandbox's id in its arguments or its cgroup, or descends from one that does. What carries the
benchmark's environment variable is the workload and is not counted.";

/// Measures CRI runtimes and the floor below them on this machine.
#[derive(Clone, Debug, Parser)]
#[command(name = "podling-bench", after_help = EXPLANATION)]
pub struct Options {
    /// A runtime's socket, as unix:///run/podling/podling.sock or NAME=unix://...; repeatable.
    #[arg(long = "endpoint", value_name = "[NAME=]URI")]
    pub endpoints: Vec<Endpoint>,

    /// Image of the containers; it must be present and have /bin/sh.
    #[arg(long, default_value = "docker.io/library/busybox:latest")]
    pub image: String,

    /// What ExecSync runs.
    #[arg(long, default_value = "true")]
    pub exec: String,

    /// Pods that are timed one by one, for each row.
    #[arg(short = 'n', long, default_value_t = 40)]
    pub samples: usize,

    /// Pods for throughput, memory and CPU; 0 leaves these out.
    #[arg(long, default_value_t = 50)]
    pub pods: usize,

    /// Seconds over which idle CPU is measured.
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub window: Duration,

    /// Network of the pods.
    #[arg(long, value_enum, default_value_t = Network::Pod)]
    pub network: Network,

    /// Cgroup parent of the pods; empty is the runtime's default.
    #[arg(long, default_value = "")]
    pub cgroup_parent: String,

    /// Print JSON instead of tables.
    #[arg(long)]
    pub json: bool,

    /// Leave the floor out.
    #[arg(long)]
    pub no_floor: bool,

    /// Measure the floor in this directory, one pod for each line on stdin (how the bench calls
    /// itself).
    #[arg(long, hide = true)]
    pub floor_worker: Option<PathBuf>,
}

/// Whose network pods use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Network {
    /// Their own.
    Pod,
    /// The host's.
    Host,
}

impl Network {
    /// As the command line names it.
    pub fn name(self) -> &'static str {
        match self {
            Network::Pod => "pod",
            Network::Host => "host",
        }
    }
}

/// A runtime to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name in the table.
    pub name: String,
    /// Its socket.
    pub socket: PathBuf,
}

/// Why a text is not an endpoint.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not an endpoint: [NAME=]unix:///PATH is expected")]
pub struct InvalidEndpoint(String);

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let (name, uri) = match text.split_once('=') {
            Some((name, uri)) if !name.is_empty() && !name.contains('/') => (name, uri),
            _ => (text, text),
        };
        let path = uri.strip_prefix("unix://").unwrap_or(uri);
        if !path.starts_with('/') {
            return Err(InvalidEndpoint(text.to_owned()));
        }
        Ok(Self {
            name: name.strip_prefix("unix://").unwrap_or(name).to_owned(),
            socket: PathBuf::from(path),
        })
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_may_have_a_name_of_its_own() {
        let endpoint: Endpoint = "runc=unix:///run/c.sock".parse().unwrap();
        assert_eq!(endpoint.name, "runc");
        assert_eq!(endpoint.socket, PathBuf::from("/run/c.sock"));
        let endpoint: Endpoint = "unix:///run/a=b.sock".parse().unwrap();
        assert_eq!(endpoint.name, "/run/a=b.sock");
        let endpoint: Endpoint = "/run/c.sock".parse().unwrap();
        assert_eq!(endpoint.name, "/run/c.sock");
    }

    #[test]
    fn what_is_no_local_socket_is_refused() {
        for text in ["", "tcp://1.2.3.4:5", "name=", "podling.sock"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_command_line_is_consistent_and_its_help_fits_120_columns() {
        use clap::CommandFactory;
        let mut command = Options::command();
        command.build();
        for line in EXPLANATION.lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
    }
}
