//! What is thought of a pod's containers, on disk: a kubelet that starts again goes on from it, so
//! that a ready pod stays ready and a started container is not asked again whether it has started.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::model::{PodUid, ProbeKind, ProbeResults, Verdict};

/// One verdict as it is written.
#[derive(Deserialize, Serialize)]
struct Entry {
    container: String,
    id: String,
    probe: String,
    verdict: String,
}

const VERDICTS: [(Verdict, &str); 3] = [
    (Verdict::Success, "Success"),
    (Verdict::Failure, "Failure"),
    (Verdict::Unknown, "Unknown"),
];

/// The verdicts of all pods, each pod's in its directory.
pub(super) struct Memory {
    layout: Layout,
}

impl Memory {
    pub(super) fn new(layout: Layout) -> Self {
        Self { layout }
    }

    /// What cannot be read is not known.
    pub(super) async fn recall(&self, uid: &PodUid) -> ProbeResults {
        let file = self.layout.probe_results(uid);
        match tokio::fs::read(&file).await {
            Ok(bytes) => read(&bytes).unwrap_or_else(|error| {
                tracing::warn!(file = %file.display(), %error, "verdicts of probes cannot be read");
                ProbeResults::default()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => ProbeResults::default(),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "verdicts of probes cannot be read");
                ProbeResults::default()
            }
        }
    }

    /// Whole or not at all. A pod that has no directory has nothing to be remembered.
    pub(super) async fn remember(&self, uid: &PodUid, results: &ProbeResults) {
        let file = self.layout.probe_results(uid);
        if let Err(error) = replace(&file, written(results)).await {
            tracing::warn!(file = %file.display(), %error, "verdicts of probes cannot be kept");
        }
    }
}

async fn replace(file: &Path, bytes: Vec<u8>) -> io::Result<()> {
    let draft: PathBuf = file.with_extension("new");
    match tokio::fs::write(&draft, bytes).await {
        Ok(()) => tokio::fs::rename(&draft, file).await,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn written(results: &ProbeResults) -> Vec<u8> {
    let entries: Vec<_> = results
        .all()
        .map(|(name, kind, id, verdict)| {
            let known = VERDICTS.iter().find(|(one, _)| *one == verdict);
            Entry {
                container: name.to_string(),
                id: id.to_string(),
                probe: kind.as_str().to_owned(),
                verdict: known.expect("every verdict has a word").1.to_owned(),
            }
        })
        .collect();
    serde_json::to_vec(&entries).expect("words can be written")
}

/// An entry with a word of another version is left out.
fn read(bytes: &[u8]) -> serde_json::Result<ProbeResults> {
    let entries: Vec<Entry> = serde_json::from_slice(bytes)?;
    let mut results = ProbeResults::default();
    for entry in entries {
        let kind = ProbeKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == entry.probe);
        let verdict = VERDICTS.iter().find(|(_, word)| *word == entry.verdict);
        if let (Some(kind), Some((verdict, _))) = (kind, verdict) {
            results.set(entry.container.into(), kind, entry.id.into(), *verdict);
        }
    }
    Ok(results)
}
