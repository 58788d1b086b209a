//! What state files have in common: their checksum, and why one cannot be used: pure.

#![deny(clippy::disallowed_methods)]

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidState {
    /// It is not what was written.
    #[error("checkpoint is corrupted")]
    Corrupted,
    /// It is no such file.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// Something in it cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// Another policy wrote it.
    #[error(
        "{prefix}configured policy {configured:?} differs from state checkpoint policy {written:?}"
    )]
    Policy {
        /// Whose words they are.
        prefix: &'static str,
        /// The policy that is configured.
        configured: String,
        /// The policy that wrote it.
        written: String,
    },
}

/// FNV-1a of a text, with 32 bits.
pub(super) fn fnv(text: &str) -> u64 {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    u64::from(hash)
}
