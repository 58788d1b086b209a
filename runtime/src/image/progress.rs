//! How far a pull has come, for people who wait for it.

use std::sync::Arc;

use tokio::sync::watch;

use super::digest::Digest;

/// How far a pull has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Its layers, bottom first; empty until they are known.
    pub layers: Vec<LayerProgress>,
}

/// How far one layer has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerProgress {
    /// Digest of the blob.
    pub digest: Digest,
    /// Bytes that have arrived; all of them when the layer was here before.
    pub done: u64,
    /// Bytes of the blob.
    pub total: u64,
}

/// Where a pull tells how far it has come.
#[derive(Clone, Debug)]
pub(super) struct Reporter(Arc<watch::Sender<Progress>>);

impl Reporter {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::default()))
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Progress> {
        self.0.subscribe()
    }

    pub(super) fn begin(&self, layers: Vec<LayerProgress>) {
        self.0.send_replace(Progress { layers });
    }

    pub(super) fn arrived(&self, layer: usize, done: u64) {
        self.0.send_modify(|progress| {
            if let Some(layer) = progress.layers.get_mut(layer) {
                layer.done = done;
            }
        });
    }
}
