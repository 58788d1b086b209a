//! Certificates that the API server has signed: the one that it is shown, and the one that the
//! kubelet's own server shows.
//!
//! ```text
//! kubeconfig, bootstrap kubeconfig ─► entry: with what is asked, and by whom
//! wish, shelf ─► keeper ─► ask ─► a CertificateSigningRequest ─► verdict (P)
//!    ▲             │                                                │
//!    └─ due (P) ───┘◄──────────── certificate, or why not ──────────┘
//! ```

mod ask;
mod entry;
mod keeper;
#[cfg(test)]
mod tests;
mod verdict;

pub(super) use entry::{Entry, enter, flaw_of};
pub(crate) use keeper::{Keeper, KeeperParts, Renewal, WishSource};
