//! What is wrong with a configuration: everything at once, each with its place.
#![deny(clippy::disallowed_methods)]

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// In the file.
    File {
        /// Where, counted from 1; 0 when it is the whole file.
        line: u64,
        /// What is wrong there; begins with the field's path, if it is one's.
        message: String,
    },
    /// On the command line.
    Flag {
        /// As it is written: `--bridge`.
        flag: &'static str,
        /// What is wrong with its value.
        message: String,
    },
}

impl Problem {
    fn line(&self) -> u64 {
        match self {
            Self::File { line, .. } => *line,
            Self::Flag { .. } => u64::MAX,
        }
    }

    /// Something wrong with a field: `network.bridge`.
    pub(crate) fn field(line: u64, path: &str, message: impl fmt::Display) -> Self {
        let message = format!("{path}: {message}");
        Self::File { line, message }
    }
}

/// Everything that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problems {
    /// The file that lines are counted in.
    pub(crate) file: PathBuf,
    /// In any order.
    pub(crate) all: Vec<Problem>,
}

impl Problems {
    /// None yet, of what stands in `file`.
    pub(crate) fn of(file: PathBuf) -> Self {
        let all = Vec::new();
        Self { file, all }
    }

    /// An error unless there are none.
    pub(crate) fn none(mut self) -> Result<(), Self> {
        if self.all.is_empty() {
            return Ok(());
        }
        self.all.sort_by_key(Problem::line);
        Err(self)
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        let told = self.all.iter().map(|problem| match problem {
            Problem::File { line: 0, message } => format!("{file}: {message}"),
            Problem::File { line, message } => format!("{file}:{line}: {message}"),
            Problem::Flag { flag, message } => format!("{flag}: {message}"),
        });
        match self.all.len() {
            1 => told.into_iter().try_for_each(|line| f.write_str(&line)),
            several => {
                write!(f, "the configuration has {several} problems:")?;
                told.into_iter().try_for_each(|line| write!(f, "\n{line}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_told_on_a_line_with_its_place() {
        let mut problems = Problems::of("/etc/podling/config.yaml".into());
        assert_eq!(Problems::of("f".into()).none(), Ok(()));
        problems
            .all
            .push(Problem::field(3, "network.brige", "no such field"));
        problems.all.push(Problem::Flag {
            flag: "--bridge",
            message: "\"\" is no name".into(),
        });
        problems.all.push(Problem::File {
            line: 0,
            message: "cannot be read".into(),
        });
        let told = problems.none().unwrap_err().to_string();
        assert_eq!(
            told.lines().collect::<Vec<_>>(),
            [
                "the configuration has 3 problems:",
                "/etc/podling/config.yaml: cannot be read",
                "/etc/podling/config.yaml:3: network.brige: no such field",
                "--bridge: \"\" is no name",
            ]
        );
    }
}
