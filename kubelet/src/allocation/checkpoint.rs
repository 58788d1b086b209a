//! The ledger on disk, in the form that upstream's kubelet has it in: pure.
//!
//! ```json
//! {"data": "{\"entries\":{\"UID\":{\"ContainerResources\":{\"NAME\":{…}},\"PodLevelResources\":null}}}",
//!  "checksum": 1}
//! ```
//!
//! The checksum is FNV-1a over the data as Go prints it: `(string)…`.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Allotment, Ledger};
use crate::model::PodUid;

#[derive(Debug, Serialize, Deserialize)]
struct File {
    data: String,
    checksum: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Data {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    entries: BTreeMap<String, Allotment>,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidCheckpoint {
    /// It is not what was written.
    #[error("checkpoint is corrupted")]
    Corrupted,
    /// It is no checkpoint.
    #[error("it is no checkpoint")]
    Malformed(#[from] serde_json::Error),
}

/// The ledger as a file.
pub(super) fn write(ledger: &Ledger) -> Vec<u8> {
    let entries = ledger.entries().iter();
    let data = Data {
        entries: entries
            .map(|(uid, one)| (uid.to_string(), one.clone()))
            .collect(),
    };
    let data = serde_json::to_string(&data).expect("texts can be written");
    let checksum = checksum(&data);
    serde_json::to_vec(&File { data, checksum }).expect("texts and numbers can be written")
}

/// What a file says.
pub(super) fn read(bytes: &[u8]) -> Result<Ledger, InvalidCheckpoint> {
    let file: File = serde_json::from_slice(bytes)?;
    if checksum(&file.data) != file.checksum {
        return Err(InvalidCheckpoint::Corrupted);
    }
    let data: Data = serde_json::from_str(&file.data)?;
    let entries = data.entries.into_iter();
    let entries = entries.map(|(uid, one)| (PodUid::from(uid.as_str()), one));
    Ok(Ledger::of(entries.collect()))
}

fn checksum(data: &str) -> u64 {
    let text = b"(string)".iter().chain(data.as_bytes());
    let hash = text.fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    u64::from(hash)
}
