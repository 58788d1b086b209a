//! What is wrong with a configuration: each problem with the place it stands at, all of them at once.
#![deny(clippy::disallowed_methods)]

use std::fmt;
use std::path::PathBuf;

/// Where something is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file, in a line counted from 1.
    Line(PathBuf, u64),
    /// On the command line, in this flag.
    Flag(String),
    /// In no one place: it follows from all of them together.
    Configuration,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Line(file, line) => write!(f, "{}:{line}: {}", file.display(), self.message),
            Place::Flag(flag) => write!(f, "--{flag}: {}", self.message),
            Place::Configuration => write!(f, "invalid configuration: {}", self.message),
        }
    }
}

/// Everything that is wrong with a kubelet's configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kubelet's configuration cannot be used:{}", lines(.0))]
pub struct Problems(pub Vec<Problem>);

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|one| format!("\n  {one}")).collect()
}
