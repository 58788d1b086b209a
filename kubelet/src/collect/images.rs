//! The task that removes images, now and then and when it is asked to.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::ledger::{Ledger, Unused};
use super::policy::{Excess, Policy, readable};
use crate::causes::chain;
use crate::cri::{ImageReference, Runtime, RuntimeError, Scope};
use crate::metrics::{Gone, UpkeepMetrics};
use crate::model::{Event, EventKind};
use crate::sync::{Clock, EventRecorder};

/// From one look to the next.
const PERIOD: Duration = Duration::from_secs(5 * 60);
/// Who asks waits for his answer.
const REQUESTS: usize = 4;

/// Why not enough was removed.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The runtime does not say what it has.
    #[error("cannot see which images are used")]
    Look(#[source] RuntimeError),
    /// The runtime does not say where images are.
    #[error("cannot see where images are")]
    Where(#[source] RuntimeError),
    /// The runtime has no disk for images.
    #[error("the runtime names no disk for images")]
    Nowhere,
    /// The images' disk does not say what is left of it.
    #[error("cannot see how full the images' disk is")]
    Disk(#[source] io::Error),
    /// Some images would not go.
    #[error("cannot remove {count} images; of the first")]
    Remove {
        /// How many.
        count: usize,
        /// Why the first of them not.
        #[source]
        source: RuntimeError,
    },
    /// The images' disk is none.
    #[error("invalid capacity 0 on image filesystem")]
    NoCapacity,
    /// What else is on the disk takes too much.
    #[error(
        "Insufficient free disk space on the node's image filesystem ({used_percent}% of {} used). \
         Failed to free sufficient space by deleting unused images (freed {freed} bytes). \
         Investigate disk usage, as it could be used by active images, logs, volumes, or other data.",
        readable(*capacity)
    )]
    NotEnough {
        /// How full it was.
        used_percent: u64,
        /// How large it is.
        capacity: u64,
        /// What could be freed.
        freed: u64,
    },
    /// The kubelet is ending.
    #[error("nobody removes images any more")]
    Ended,
}

/// Who removes images, for those who need room.
#[derive(Clone, Debug)]
pub struct Images(mpsc::Sender<oneshot::Sender<Result<(), CollectError>>>);

impl Images {
    /// Removes every image that nobody uses, but for the youngest.
    pub async fn remove_unused(&self) -> Result<(), CollectError> {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.send(answer).await;
        asked.map_err(|_| CollectError::Ended)?;
        answered.await.unwrap_or(Err(CollectError::Ended))
    }
}

/// Removes images that nobody uses.
pub struct ImageCollector {
    runtime: Arc<dyn Runtime>,
    events: Arc<dyn EventRecorder>,
    clock: Arc<dyn Clock>,
    node_name: String,
    policy: Policy,
    metrics: UpkeepMetrics,
    began: Timestamp,
    ledger: Ledger,
    requests: mpsc::Receiver<oneshot::Sender<Result<(), CollectError>>>,
}

impl ImageCollector {
    /// A collector that has seen no image yet, and a way to ask it.
    pub fn new(
        runtime: Arc<dyn Runtime>,
        events: Arc<dyn EventRecorder>,
        clock: Arc<dyn Clock>,
        (node_name, policy): (&str, Policy),
        metrics: UpkeepMetrics,
    ) -> (Self, Images) {
        let (sender, requests) = mpsc::channel(REQUESTS);
        let collector = Self {
            began: clock.now(),
            runtime,
            events,
            clock,
            node_name: node_name.to_owned(),
            policy,
            metrics,
            ledger: Ledger::default(),
            requests,
        };
        (collector, Images(sender))
    }

    /// Works until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut has_failed = false;
        loop {
            // A tick or a request that is not taken stays where it is.
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {
                    let collected = self.collect().await;
                    has_failed = self.tell(collected, has_failed);
                }
                Some(answer) = self.requests.recv() => {
                    // Who has left does not need the room any more.
                    let _ = answer.send(self.remove_unused().await);
                }
            }
        }
    }

    /// What fails once may mend itself; what fails again is told. Whether it has failed.
    fn tell(&self, collected: Result<(), CollectError>, has_failed: bool) -> bool {
        let Err(error) = collected else {
            return false;
        };
        let told = chain(&error);
        if has_failed {
            self.warn("ImageGCFailed", told);
        } else {
            warn!(error = told, "cannot remove images; it is tried again");
        }
        true
    }

    /// One look.
    pub(super) async fn collect(&mut self) -> Result<(), CollectError> {
        let now = self.clock.now();
        self.look(now).await?;
        if !self.policy.is_on() {
            return Ok(());
        }
        let (old, others): (Vec<_>, Vec<_>) = self
            .ledger
            .unused()
            .into_iter()
            .partition(|image| self.policy.is_too_old(image, self.began, now));
        self.remove(old, u64::MAX, Gone::Age).await.1?;
        let (capacity, available) = self.disk().await?;
        if capacity == 0 {
            let error = CollectError::NoCapacity;
            self.warn("InvalidDiskCapacity", error.to_string());
            return Err(error);
        }
        let Some(Excess {
            used_percent,
            bytes,
        }) = self.policy.excess(capacity, available)
        else {
            return Ok(());
        };
        info!(used_percent, bytes, "the images' disk is too full");
        let (freed, removed) = self.make_room(others, bytes, now).await;
        removed?;
        if freed < bytes {
            let error = CollectError::NotEnough {
                used_percent,
                capacity,
                freed,
            };
            self.warn("FreeDiskSpaceFailed", error.to_string());
            return Err(error);
        }
        Ok(())
    }

    async fn remove_unused(&mut self) -> Result<(), CollectError> {
        let now = self.clock.now();
        self.look(now).await?;
        let unused = self.ledger.unused();
        self.make_room(unused, u64::MAX, now).await.1
    }

    async fn make_room(
        &mut self,
        unused: Vec<Unused>,
        bytes: u64,
        now: Timestamp,
    ) -> (u64, Result<(), CollectError>) {
        let policy = self.policy;
        let may_go = unused.into_iter().filter(|one| policy.may_go(one, now));
        self.remove(may_go.collect(), bytes, Gone::Space).await
    }

    /// Removes images until enough is freed. Those that would not go are passed over.
    async fn remove(
        &mut self,
        images: Vec<Unused>,
        enough: u64,
        why: Gone,
    ) -> (u64, Result<(), CollectError>) {
        let (mut freed, mut failures) = (0_u64, Vec::new());
        for image in images {
            if freed >= enough {
                break;
            }
            let reference = ImageReference::as_written(&image.id);
            match self.runtime.remove_image(reference).await {
                Ok(()) => {
                    info!(image = image.id, bytes = image.bytes, "removed an image");
                    self.metrics.image_gone(why);
                    self.ledger.strike(&image.id);
                    freed = freed.saturating_add(image.bytes);
                }
                Err(error) => failures.push(error),
            }
        }
        let count = failures.len();
        let result = match failures.into_iter().next() {
            Some(source) => Err(CollectError::Remove { count, source }),
            None => Ok(()),
        };
        (freed, result)
    }

    /// Which images are there and which of them are used.
    async fn look(&mut self, now: Timestamp) -> Result<(), CollectError> {
        // Containers are listed last: a container that has come in between is never missed.
        let images = self.runtime.list_images().await;
        let images = images.map_err(CollectError::Look)?;
        let in_use = self.in_use().await.map_err(CollectError::Look)?;
        self.ledger.note(&images, &in_use, now);
        Ok(())
    }

    async fn in_use(&self) -> Result<BTreeSet<String>, RuntimeError> {
        let containers = self.runtime.list_containers(Scope::All).await?;
        let ids = containers.iter().map(|one| one.id.clone());
        let statuses = join_all(ids.map(|id| self.runtime.container_status(id))).await;
        let mut in_use: BTreeSet<_> = containers.into_iter().map(|one| one.image_id).collect();
        for status in statuses {
            match status {
                Ok(status) => in_use.extend(status.mounted_images),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(in_use)
    }

    /// Size of the images' disk, and what is left of it.
    async fn disk(&self) -> Result<(u64, u64), CollectError> {
        let filesystems = self.runtime.image_filesystems().await;
        let filesystems = filesystems.map_err(CollectError::Where)?;
        let images = filesystems.images.first().ok_or(CollectError::Nowhere)?;
        let disk = rustix::fs::statvfs(Path::new(&images.mount_point));
        let disk = disk.map_err(|errno| CollectError::Disk(errno.into()))?;
        Ok((disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize))
    }

    fn warn(&self, reason: &'static str, message: String) {
        let event = Event::of_node(&self.node_name, EventKind::Warning, reason, message);
        self.events.record(event);
    }
}
