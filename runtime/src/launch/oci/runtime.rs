//! The commands of an OCI runtime, as every one of them has them.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::model::ContainerId;
use crate::monitor::protocol::{LaunchFailure, LaunchStage, OciLaunch};
use crate::sys::subprocess::{self, Ending};

use super::complaint;
use crate::launch::failure::failure;

/// How long a runtime may take to delete what a failure left: its caller waits for the failure.
const LONGEST_DELETE: Duration = Duration::from_secs(10);

/// A runtime, and the container that it is asked about.
pub(super) struct Runtime<'a> {
    pub(super) launch: &'a OciLaunch,
    pub(super) id: &'a ContainerId,
    /// The bundle, where its log and pid file go too.
    pub(super) scratch: &'a Path,
}

impl Runtime<'_> {
    /// Makes the container; the pid of the process that waits in it.
    pub(super) fn create(
        &self,
        console: Option<&Path>,
        streams: [OwnedFd; 3],
    ) -> Result<i32, LaunchFailure> {
        self.make_state_dir()
            .map_err(|error| self.failed("create", &format!("its state directory: {error}")))?;
        let pid_file = self.scratch.join("pid");
        let mut arguments: Vec<OsString> = vec!["--bundle".into(), self.scratch.into()];
        arguments.extend(["--pid-file".into(), pid_file.clone().into()]);
        if let Some(console) = console {
            arguments.extend(["--console-socket".into(), console.into()]);
        }
        let time = self.launch.runtime.time_limit();
        self.run("create", arguments, streams.map(Stdio::from), time)?;
        let text = fs::read_to_string(&pid_file).unwrap_or_default();
        text.trim()
            .parse()
            .map_err(|_| self.failed("create", &format!("it left {text:?} as the pid")))
    }

    /// Has the process execute its program.
    pub(super) fn start(&self) -> Result<(), LaunchFailure> {
        let time = self.launch.runtime.time_limit();
        self.run("start", Vec::new(), nothing(), time)
    }

    /// Takes away what a failure left. What cannot be taken away goes with the pod's run directory.
    pub(super) fn delete(&self) {
        let time = self.launch.runtime.time_limit().min(LONGEST_DELETE);
        let _ = self.run("delete", vec!["--force".into()], nothing(), time);
        let _ = fs::remove_dir_all(self.launch.state.join(self.id.as_str()));
    }

    fn run(
        &self,
        verb: &str,
        arguments: Vec<OsString>,
        [stdin, stdout, stderr]: [Stdio; 3],
        time: Duration,
    ) -> Result<(), LaunchFailure> {
        let log = self.log(verb);
        let mut command = Command::new(&self.launch.runtime.program);
        command
            .arg("--root")
            .arg(&self.launch.state)
            .arg("--log")
            .arg(&log)
            .args(["--log-format", "json", verb])
            .args(arguments)
            .arg(self.id.as_str())
            .env_clear()
            .env("PATH", subprocess::PATH)
            .current_dir(self.scratch)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr);
        let ending = subprocess::run_attached(command, Instant::now() + time).map_err(|error| {
            let program = self.launch.runtime.program.display();
            self.failed(verb, &format!("running {program}: {error}"))
        })?;
        match ending {
            Ending::Exited(status) if status.success() => Ok(()),
            Ending::Exited(status) => {
                let logged = fs::read(log).unwrap_or_default();
                let why = complaint::last(&logged).unwrap_or_else(|| {
                    let program = self.launch.runtime.program.display();
                    format!("{program} ended with {status} and logged nothing")
                });
                Err(self.failed(verb, &why))
            }
            Ending::TimedOut | Ending::Stopped => {
                let program = self.launch.runtime.program.display();
                Err(self.failed(
                    verb,
                    &format!("{program} was killed: it had not ended within {time:?}"),
                ))
            }
        }
    }

    fn log(&self, verb: &str) -> PathBuf {
        self.scratch.join(format!("{verb}.log"))
    }

    fn make_state_dir(&self) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.launch.state)
    }

    /// The words in which other users of such a runtime say it. Which error it was is only known from its
    /// text, so the code is the one for any.
    fn failed(&self, verb: &str, why: &str) -> LaunchFailure {
        failure(
            LaunchStage::Create,
            format!("OCI runtime {verb} failed: {why}"),
        )
    }
}

fn nothing() -> [Stdio; 3] {
    [Stdio::null(), Stdio::null(), Stdio::null()]
}
