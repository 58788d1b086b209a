//! One run of `podling up`, or of `podling kubelet` over another runtime.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::programs::program;
use super::range::Range;
use super::wait::try_for;

/// The lines of its log that a failing test shows.
const SHOWN_LINES: usize = 60;

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

/// How a daemon is started.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The point at which it kills itself.
    pub failpoint: Option<String>,
    /// Whether it ends its pods when it is told to end.
    pub ends_pods: bool,
    /// Addresses of its pods, when not those of the node's range.
    pub pod_cidr: Option<String>,
    /// Words in place of `up`, if there are any.
    pub verb: Vec<String>,
    /// More arguments of `podling up`.
    pub arguments: Vec<String>,
    /// Program and arguments that run before podling, such as `unshare --mount`.
    pub wrapper: Vec<String>,
}

/// The runtime of a kubelet that is alone.
#[derive(Clone, Debug)]
pub struct Over {
    /// Its socket.
    pub socket: PathBuf,
    /// Program and arguments that run before podling, so that it sees the same mounts.
    pub wrapper: Vec<String>,
}

impl Daemon {
    /// Starts one that logs to `log`, behind what is there.
    pub fn spawn(
        root: &Path,
        range: &Range,
        log: &Path,
        start: &Start,
        over: Option<&Over>,
    ) -> Self {
        let podling = program("podling");
        let wrapper = over.map_or(&start.wrapper, |over| &over.wrapper);
        let mut command = match wrapper.split_first() {
            None => Command::new(podling),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(podling);
                command
            }
        };
        command.arg("--root").arg(root);
        match over {
            Some(over) => {
                let endpoint = format!("unix://{}", over.socket.display());
                command.args(["kubelet", "--container-runtime-endpoint", &endpoint]);
            }
            None => {
                let pod_cidr = start.pod_cidr.clone().unwrap_or_else(|| range.pod_cidr());
                if start.verb.is_empty() {
                    command.arg("up");
                }
                command.args(&start.verb);
                command.args(["--pod-cidr", &pod_cidr, "--bridge", &range.bridge()]);
                if start.ends_pods {
                    command.arg("--end-pods-on-exit");
                }
            }
        }
        if !start
            .arguments
            .iter()
            .any(|word| word == "--hostname-override")
        {
            command.args(["--node-name", "node"]);
        }
        command.arg("-v");
        command.args(["--cgroup-root", &range.cgroup(), "--listen", "127.0.0.1:0"]);
        // The machine's own disk may be full: only stories that say so are about that.
        let configuration = fs::read_to_string(root.join("etc/podling/config.yaml"));
        if !configuration.is_ok_and(|text| text.contains("eviction")) {
            command.arg("--eviction-hard=pid.available<1");
        }
        command.args(&start.arguments);
        command
            .env_remove("PODLING_ROOT")
            .env_remove("PODLING_FAILPOINT")
            .env_remove("RUST_LOG");
        if let Some(point) = &start.failpoint {
            command.env("PODLING_FAILPOINT", point);
        }
        let output = append_to(log);
        let errors = output.try_clone().expect("a file can be shared");
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().expect("podling starts");
        Self {
            child,
            log: log.to_owned(),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Panics when it has ended, with the end of its log.
    pub fn assert_alive(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
            panic!(
                "podling ended with {status}; the end of its log:\n{}",
                tail(&self.log)
            );
        }
    }

    /// Kills it as the kernel would, and waits for its end.
    pub fn kill9(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// Asks it to end, as Ctrl-C or systemd do.
    pub fn terminate(&self) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a child has an id"), Signal::TERM).expect("a child takes signals");
    }

    /// Waits for its end.
    pub async fn wait(&mut self, deadline: Duration) -> std::process::ExitStatus {
        let child = &mut self.child;
        let ended = try_for(deadline, async || {
            child.try_wait().expect("a child can be waited for")
        });
        match ended.await {
            Some(status) => status,
            None => panic!(
                "podling does not end; the end of its log:\n{}",
                tail(&self.log)
            ),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn append_to(log: &Path) -> File {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .expect("the log can be written")
}

/// The last lines of a log.
pub fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
