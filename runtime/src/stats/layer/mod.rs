//! What containers have written, counted in the background.
//!
//! ```text
//! query ──► known? ──yes──► the last count, with its time; queued again when it is old
//!             └─no──► counted at once, if it is small; else queued, and unknown for now
//!
//! queue ──► one walk at a time, paced ──► known
//! ```
//!
//! No query walks a tree that was counted before, and nothing is walked that nobody asks about.
//! docs/decisions/0084 says why there is no quota.

mod walk;

use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::walk::Count;
use super::clock;
use super::usage::LayerUsage;
use crate::model::ContainerId;

/// The entries that a query may count itself.
const AT_ONCE: usize = 1000;
/// A background walk rests after so many entries...
const STRIDE: usize = 200;
/// ...for so long: at most 40,000 entries a second.
const REST: Duration = Duration::from_millis(5);
/// A count is not repeated sooner than this...
const SHORTEST_AGE: Duration = Duration::from_secs(30);
/// ...nor before it is so many times as old as it took.
const DUTY: u32 = 20;

/// The writable layers that were asked about.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    known: Arc<Mutex<HashMap<ContainerId, Layer>>>,
    queue: mpsc::UnboundedSender<(ContainerId, PathBuf)>,
}

#[derive(Clone, Copy, Debug)]
struct Layer {
    usage: Option<LayerUsage>,
    due: Instant,
    is_queued: bool,
}

/// The walks that are to be done.
#[derive(Debug)]
pub(super) struct Walks {
    known: Arc<Mutex<HashMap<ContainerId, Layer>>>,
    queue: mpsc::UnboundedReceiver<(ContainerId, PathBuf)>,
}

/// Layers that nobody has asked about, and what walks them.
pub(super) fn open() -> (Layers, Walks) {
    let known = Arc::default();
    let (sender, queue) = mpsc::unbounded_channel();
    let layers = Layers {
        known: Arc::clone(&known),
        queue: sender,
    };
    (layers, Walks { known, queue })
}

impl Layers {
    /// What is known of the layer at `top`. Blocks no longer than it takes to count a small tree.
    pub(super) fn usage(&self, id: &ContainerId, top: &Path) -> Option<LayerUsage> {
        let known = lock(&self.known).get(id).copied();
        match known {
            Some(layer) => {
                if !layer.is_queued && Instant::now() >= layer.due {
                    self.enqueue(id, top);
                }
                layer.usage
            }
            None => self.first(id, top),
        }
    }

    /// Forgets the layers that are not `wanted` any more.
    pub(super) fn retain(&self, wanted: impl Fn(&ContainerId) -> bool) {
        lock(&self.known).retain(|id, _| wanted(id));
    }

    fn first(&self, id: &ContainerId, top: &Path) -> Option<LayerUsage> {
        let mut left = AT_ONCE;
        let begun = Instant::now();
        let counted = walk::count(top, || {
            left = left.saturating_sub(1);
            if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        // A layer that cannot be read is unknown; its container is about to go.
        let counted = counted.ok()?;
        let layer = Layer::counted(counted, begun);
        lock(&self.known).insert(id.clone(), layer);
        if layer.usage.is_none() {
            self.enqueue(id, top);
        }
        layer.usage
    }

    fn enqueue(&self, id: &ContainerId, top: &Path) {
        if let Some(layer) = lock(&self.known).get_mut(id) {
            layer.is_queued = true;
            // An error says that the runtime is stopping.
            let _ = self.queue.send((id.clone(), top.to_owned()));
        }
    }
}

impl Layer {
    fn counted(count: Option<Count>, begun: Instant) -> Self {
        let now = Instant::now();
        Self {
            usage: count.map(|count| LayerUsage {
                at: clock::now(),
                bytes: count.bytes,
                inodes: count.inodes,
            }),
            due: now + ((now - begun) * DUTY).max(SHORTEST_AGE),
            is_queued: false,
        }
    }
}

impl Walks {
    /// Walks what is queued, one tree at a time, until the runtime stops.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let (id, top) = tokio::select! {
                // Cancelling loses nothing: a walk that was not begun is asked for again.
                () = shutdown.cancelled() => return,
                next = self.queue.recv() => match next {
                    Some(next) => next,
                    None => return,
                },
            };
            let begun = Instant::now();
            let stop = shutdown.clone();
            let walked = tokio::task::spawn_blocking(move || paced(&top, &stop)).await;
            let counted = match walked {
                Ok(Ok(counted)) => counted,
                Ok(Err(_)) | Err(_) => None,
            };
            self.settle(&id, counted, begun);
        }
    }

    /// A walk that failed leaves the last count: its container is gone, or asks again.
    fn settle(&self, id: &ContainerId, counted: Option<Count>, begun: Instant) {
        if let Some(layer) = lock(&self.known).get_mut(id) {
            let last = layer.usage;
            *layer = Layer::counted(counted, begun);
            layer.usage = layer.usage.or(last);
        }
    }
}

fn paced(top: &Path, shutdown: &CancellationToken) -> io::Result<Option<Count>> {
    let mut entries = 0_usize;
    walk::count(top, || {
        entries += 1;
        if entries.is_multiple_of(STRIDE) {
            thread::sleep(REST);
        }
        if shutdown.is_cancelled() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
}

fn lock(known: &Mutex<HashMap<ContainerId, Layer>>) -> MutexGuard<'_, HashMap<ContainerId, Layer>> {
    // Every change is one insertion or removal, whole even after a panic.
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn id() -> ContainerId {
        ContainerId::from_random([7; 32])
    }

    #[test]
    fn a_small_layer_is_known_at_once_and_not_walked_again_at_once() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "a").unwrap();
        let (layers, _walks) = open();
        let first = layers.usage(&id(), dir.path()).unwrap();
        fs::write(dir.path().join("b"), "b").unwrap();
        assert_eq!(first.inodes, 1);
        assert_eq!(layers.usage(&id(), dir.path()), Some(first));
    }

    #[tokio::test]
    async fn a_large_layer_is_unknown_until_the_background_has_counted_it() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..AT_ONCE + 10 {
            fs::write(dir.path().join(number.to_string()), "").unwrap();
        }
        let (layers, walks) = open();
        assert_eq!(layers.usage(&id(), dir.path()), None);
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(walks.run(shutdown.clone()));
        let deadline = Instant::now() + Duration::from_secs(30);
        let usage = loop {
            if let Some(usage) = layers.usage(&id(), dir.path()) {
                break usage;
            }
            assert!(Instant::now() < deadline, "the layer is not counted");
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        assert_eq!(usage.inodes, u64::try_from(AT_ONCE + 10).unwrap());
        shutdown.cancel();
        running.await.unwrap();
    }

    #[test]
    fn a_layer_that_is_not_there_is_unknown() {
        let dir = tempfile::tempdir().unwrap();
        let (layers, _walks) = open();
        assert_eq!(layers.usage(&id(), &dir.path().join("none")), None);
    }

    #[test]
    fn a_container_that_is_gone_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (layers, _walks) = open();
        layers.usage(&id(), dir.path()).unwrap();
        layers.retain(|_| false);
        assert!(lock(&layers.known).is_empty());
    }
}
