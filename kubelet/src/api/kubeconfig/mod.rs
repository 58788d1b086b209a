//! A kubeconfig: where the API server is, whom to trust there, and what it is shown. Pure.
//!
//! Only the current context counts, as for upstream's kubelet; paths in it start at its own directory.
#![deny(clippy::disallowed_methods)]

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::path::PathBuf;

pub(super) use read::{read, read_cluster};
pub(super) use write::{write, write_login};

/// What a kubeconfig says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kubeconfig {
    /// The server's URL, without a slash at its end.
    pub(super) server: String,
    /// Who signs the server's certificate; without one, whom the machine trusts.
    pub(super) authority: Option<Material>,
    /// Who answers is believed to be the server.
    pub(super) insecure: bool,
    /// What the server is shown.
    pub(super) user: User,
}

/// What the server is shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct User {
    /// A client certificate and its key.
    pub(super) certificate: Option<(Material, Material)>,
    /// A bearer token.
    pub(super) token: Option<Token>,
    /// A name and a password.
    pub(super) basic: Option<(String, String)>,
    /// A program that gives one of these.
    pub(super) program: Option<Program>,
}

/// Secrets have no business in a log.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").finish_non_exhaustive()
    }
}

/// PEM that stands in the kubeconfig, or in a file that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Material {
    /// Itself.
    Data(Vec<u8>),
    /// Where it is.
    File(PathBuf),
}

/// A bearer token.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Itself.
    Fixed(String),
    /// A file in which it changes.
    File(PathBuf),
}

/// A program that gives credentials.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// Its path, or a name that PATH knows.
    pub(super) command: PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
    /// Variables added to its environment.
    pub(super) environment: Vec<(String, String)>,
    /// The version of what it is told and says.
    pub(super) version: String,
    /// Whether it is told of the server.
    pub(super) knows_cluster: bool,
    /// What people do who lack it.
    pub(super) hint: String,
}

/// Why a kubeconfig cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {message}", file.display())]
pub struct KubeconfigError {
    /// The file.
    pub file: PathBuf,
    /// Where in it, counted from 1.
    pub line: u64,
    /// What is wrong, and how to mend it.
    pub message: String,
}
