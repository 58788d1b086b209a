//! One call of one plugin.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use std::io;
use std::os::unix::fs::PermissionsExt;

use super::answer::{self, AnswerError, PluginMessage};
use super::config::Object;
use super::invocation::{Target, Verb, environment};
use crate::sys::subprocess::{self, Ending, Order, Outcome, Stop};

/// How much of a plugin's stderr an error shows.
const SHOWN: usize = 512;

/// Why a plugin did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// There is no such program.
    #[error("there is no executable {kind:?} in {path}")]
    Missing {
        /// Its name.
        kind: String,
        /// The directories, separated by colons.
        path: String,
    },
    /// It cannot be run.
    #[error("run {program}", program = program.display())]
    Run {
        /// Its file.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It said what is wrong.
    #[error("{0}")]
    Refused(PluginMessage),
    /// It failed and said nothing that the specification has.
    #[error("it ended with {status}: {said}")]
    Failed {
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it wrote.
        said: String,
    },
    /// It took too long.
    #[error("it was killed: it had not ended within {0:?}")]
    TimedOut(Duration),
    /// The daemon ends.
    #[error("podling is stopping")]
    Stopped,
    /// It succeeded, and what it says means nothing.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

/// Until when a call, and all those of the same chain, may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    allowed: Duration,
    deadline: Instant,
}

impl Limit {
    /// So much time from now on.
    pub(super) fn of(allowed: Duration) -> Self {
        let deadline = Instant::now() + allowed;
        Self { allowed, deadline }
    }
}

/// Where plugins are, and what ends them.
#[derive(Debug)]
pub(super) struct Plugins {
    dirs: Vec<PathBuf>,
    stop: Stop,
}

impl Plugins {
    /// The plugins in `dirs`; earlier directories win.
    pub(super) fn in_dirs(dirs: Vec<PathBuf>) -> io::Result<Self> {
        let stop = Stop::new()?;
        Ok(Self { dirs, stop })
    }

    /// Where they are looked for.
    pub(super) fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// Kills those that run, and keeps others from being run.
    pub(super) fn stop(&self) {
        self.stop.give();
    }

    /// The program of a plugin.
    pub(super) fn find(&self, kind: &str) -> Result<PathBuf, PluginError> {
        let files = self.dirs.iter().map(|dir| dir.join(kind));
        let found = files.into_iter().find(|file| is_executable(file));
        found.ok_or_else(|| PluginError::Missing {
            kind: kind.to_owned(),
            path: self.path(),
        })
    }

    /// Calls a plugin and returns what it wrote on stdout. Blocks.
    pub(super) fn call(
        &self,
        kind: &str,
        verb: Verb,
        target: Option<Target<'_>>,
        config: &Object,
        limit: Limit,
    ) -> Result<Vec<u8>, PluginError> {
        let program = self.find(kind)?;
        let stdin = serde_json::to_vec(config).expect("what was JSON can be JSON again");
        let outcome = subprocess::run(&Order {
            program: &program,
            arguments: &[],
            environment: &environment(verb, target, &self.path()),
            stdin: &stdin,
            deadline: limit.deadline,
            stop: &self.stop,
        });
        let outcome = outcome.map_err(|source| PluginError::Run { program, source })?;
        log_stderr(kind, verb, &outcome.stderr);
        judge(outcome, limit)
    }

    /// `CNI_PATH`.
    fn path(&self) -> String {
        let dirs = self.dirs.iter().map(|dir| dir.display().to_string());
        dirs.collect::<Vec<_>>().join(":")
    }
}

fn is_executable(file: &Path) -> bool {
    let is_one = |metadata: std::fs::Metadata| {
        metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
    };
    file.metadata().is_ok_and(is_one)
}

fn judge(outcome: Outcome, limit: Limit) -> Result<Vec<u8>, PluginError> {
    let status = match outcome.ending {
        Ending::TimedOut => return Err(PluginError::TimedOut(limit.allowed)),
        Ending::Stopped => return Err(PluginError::Stopped),
        Ending::Exited(status) if status.success() => return Ok(outcome.stdout),
        Ending::Exited(status) => status,
    };
    Err(match answer::error(&outcome.stdout) {
        Some(message) => PluginError::Refused(message),
        None => PluginError::Failed {
            status,
            said: shown(&outcome.stdout, &outcome.stderr),
        },
    })
}

/// What a plugin said, as far as it helps; its last words on stderr say more than its first.
fn shown(stdout: &[u8], stderr: &[u8]) -> String {
    let end = &stderr[stderr.len().saturating_sub(SHOWN)..];
    let beginning = &stdout[..stdout.len().min(SHOWN)];
    let texts = [end, beginning].map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
    match texts.into_iter().find(|text| !text.is_empty()) {
        Some(text) => text,
        None => "it said nothing".to_owned(),
    }
}

fn log_stderr(plugin: &str, verb: Verb, stderr: &[u8]) {
    for line in String::from_utf8_lossy(stderr).lines() {
        tracing::info!(plugin, verb = verb.as_str(), "{line}");
    }
}
