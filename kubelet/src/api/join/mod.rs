//! How a machine finds the cluster that it is to join, and whom to trust there, as kubeadm's join does.
//!
//! ```text
//! token ─► cluster-info of anybody who answers ─► signed with the token? (P) ─► its authority pinned? (P)
//!                                                          └─► asked again, trusting that authority
//! a file, or a page ────────────────────────────────► cluster ─► kubelet-config, the Node's name
//! ```

mod discover;
mod pin;
mod prepare;
#[cfg(test)]
mod tests;
mod token;

use std::path::PathBuf;

pub use discover::{DiscoveryError, Waiting, discover};
pub use pin::{Pin, PinError};
pub use prepare::{Advice, PrepareError, advice, is_joined, prepared_kubeconfig};
pub use token::{BootstrapToken, TokenError};

use super::kubeconfig::Kubeconfig;

/// How a cluster is found.
#[derive(Clone, Debug)]
pub enum Discovery {
    /// Whoever answers at `HOST:PORT` proves that he knows the token.
    Token {
        /// Where.
        endpoint: String,
        /// The secret that both know.
        token: BootstrapToken,
        /// Public keys of authorities; empty to trust whoever knows the token.
        pins: Vec<Pin>,
    },
    /// A kubeconfig says it all.
    File(PathBuf),
    /// A kubeconfig at an `https` URL, whose server the machine trusts.
    Page(String),
}

/// A cluster that was found.
#[derive(Clone, Debug)]
pub struct Found {
    kubeconfig: Kubeconfig,
}

impl Found {
    /// The URL of its API server.
    pub fn server(&self) -> &str {
        &self.kubeconfig.server
    }
}
