//! Images of real servers, taken out of Debian packages that are downloaded but never installed.
//!
//! ```text
//! package names ─► cache (apt-get download) ─► files ─► closure (which libraries?) ─► layer
//! ```
//!
//! The result depends on nothing but the versions of the packages.

pub mod base;
pub mod cache;
pub mod closure;
pub mod elf;
pub mod files;
pub mod servers;

pub use cache::Cache;
pub use servers::{busybox, nginx, redis};

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use thiserror::Error;

/// An image could not be made from Debian packages.
#[derive(Debug, Error)]
pub enum DebianError {
    /// A program could not be started.
    #[error("run {program}")]
    Run {
        /// Which.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A program failed.
    #[error("{program} ended with {status}: {message}")]
    Failed {
        /// Which.
        program: &'static str,
        /// How.
        status: ExitStatus,
        /// What it said.
        message: String,
    },
    /// The cache directory cannot be used.
    #[error("use the package cache {}", path.display())]
    Cache {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A package was not downloaded although apt-get was content.
    #[error("apt-get left no package {0} in the cache")]
    NoPackage(String),
    /// A package cannot be unpacked.
    #[error("unpack {}", package.display())]
    Unpack {
        /// Which.
        package: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that an image needs is in none of the packages.
    #[error("no package has {0}")]
    NoFile(String),
    /// A library that a program needs is in none of the packages that its package depends on.
    #[error("no package has the libraries {}", .0.join(", "))]
    NoLibrary(Vec<String>),
}
