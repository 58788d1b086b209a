//! Carries out that a volume becomes larger.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::plan::{Failure, Here, Manner, Then, Verdict, consequence, decide};
use super::{ClaimNow, Claims, Growth, Larger, Mark, Moment, News};
use crate::csi::keep::{RESIZE, blocking, error};
use crate::csi::lanes::Key;
use crate::csi::mounter::Parts;
use crate::csi::place::Spot;
use crate::csi::plan::Outcome;
use crate::csi::record::{self, Record};
use crate::csi::wire::CallError;
use crate::model::{Quantity, VolumeMode};
use crate::volume::VolumeError;

/// What was attempted, in upstream's words.
const GROW: &str = "NodeExpandVolume.NodeExpandVolume";

/// One look at one volume.
struct Look<'a> {
    larger: &'a Larger,
    claims: &'a dyn Claims,
    key: Key,
    spot: Spot,
    news: Option<News>,
}

impl Parts {
    /// How long a volume that did not become larger is left alone.
    pub(in crate::csi) fn pause_of(&self, key: &Key) -> Option<Duration> {
        self.troubles.pause(key)
    }

    /// Makes a volume larger, if it has to be.
    pub(in crate::csi) async fn grow(&self, larger: &Larger, claims: &dyn Claims) -> Growth {
        let name = larger.name();
        let mut look = Look {
            larger,
            claims,
            key: (larger.driver.clone(), larger.handle.clone()),
            spot: self
                .layout
                .published(&larger.uid, &larger.volume, larger.mode),
            news: None,
        };
        let began = Instant::now();
        let done = self.look(&mut look).await;
        match &done {
            Ok(()) => {}
            Err(_) => self.troubles.failed(&look.key),
        }
        let done = done.map_err(|problem| failed(larger, problem));
        if larger.moment == Moment::Use && (look.news == Some(News::Grown) || done.is_err()) {
            self.count(&name, RESIZE, (began, &done));
        }
        Growth {
            news: look.news,
            done,
        }
    }

    async fn look(&self, look: &mut Look<'_>) -> Result<(), String> {
        let larger = look.larger;
        let directory = look.spot.directory.clone();
        let record = blocking(move || record::read(&directory)).await;
        let Some(record) = record.map_err(unkept)? else {
            return Ok(());
        };
        let claim = look.claims.look(&larger.claim).await;
        let claim =
            claim.map_err(|why| format!("mountVolume.NodeExpandVolume get PVC failed : {why}"))?;
        let here = Here {
            capacity: larger.capacity,
            known: self.known(larger, &record).await.map_err(unkept)?,
            moment: larger.moment,
            read_only: larger.read_only,
            was_refused: self.troubles.was_refused(&look.key),
        };
        match decide(&claim, here) {
            Verdict::Leave(size) => self.settle(look, size).await,
            Verdict::ReadOnly(size) => {
                self.tell(look, &claim, News::ReadOnly).await;
                self.settle(look, size).await
            }
            Verdict::Grow(size, manner) => self.ask(look, claim, size, manner).await,
        }
    }

    /// How much any pod's record says that there is.
    async fn known(&self, larger: &Larger, own: &Record) -> io::Result<Option<Quantity>> {
        let (layout, name) = (self.layout.clone(), larger.name());
        let sizes = blocking(move || record::sizes(&layout, &name)).await?;
        Ok(sizes.into_iter().chain(own.size()).max())
    }

    async fn ask(
        &self,
        look: &mut Look<'_>,
        mut claim: ClaimNow,
        size: Quantity,
        manner: Manner,
    ) -> Result<(), String> {
        let is_told = match manner {
            Manner::Recoverable { is_told, .. } => is_told,
            Manner::Plain => claim.capacity >= size,
        };
        if !is_told && manner != Manner::Plain {
            claim = look.claims.mark(claim, Mark::InProgress).await?;
        }
        if let Err((failure, words)) = self.expand(look, size).await {
            let failed = (failure, words);
            return self.take(look, claim, (size, manner), failed).await;
        }
        self.tell(look, &claim, News::Grown).await;
        if !is_told {
            let marked = look.claims.mark(claim, Mark::Finished(size)).await;
            marked.map_err(|why| {
                format!("mountVolume.NodeExpandVolume update pvc status failed: {why}")
            })?;
        }
        self.settle(look, size).await
    }

    /// Takes a failure as it is.
    async fn take(
        &self,
        look: &Look<'_>,
        claim: ClaimNow,
        (size, manner): (Quantity, Manner),
        (failure, words): (Failure, String),
    ) -> Result<(), String> {
        let before = claim.capacity;
        let consequence = consequence(manner, failure, &words);
        if let Some(mark) = consequence.mark {
            if failure != Failure::Unknown {
                self.troubles.refused(&look.key);
            }
            if let Err(why) = look.claims.mark(claim, mark).await {
                tracing::warn!(
                    volume = look.larger.volume,
                    why,
                    "a claim does not say that it failed"
                );
            }
        }
        match consequence.then {
            Then::Settle => self.settle(look, size).await,
            Then::LeaveInUse => {
                let volume = &look.larger.volume;
                tracing::warn!(
                    volume,
                    words,
                    "a volume does not become larger while it is used"
                );
                self.keep(look, before).await?;
                self.troubles.in_use(&look.key);
                Ok(())
            }
            Then::TryAgain => Err(words),
        }
    }

    /// Asks the driver.
    async fn expand(&self, look: &Look<'_>, size: Quantity) -> Result<(), (Failure, String)> {
        let larger = look.larger;
        let driver = self.drivers.find(&larger.driver).await;
        let driver = driver.map(|driver| driver.asked_for(larger.migrated));
        let driver = driver.map_err(|no_driver| (Failure::Away, no_driver.to_string()))?;
        let can = driver.capabilities().await.map_err(|why| {
            let what = "Expander.NodeExpand failed to check if node supports expansion";
            (Failure::Unknown, format!("{what} : {why}"))
        })?;
        if !can.grows {
            let name = &larger.driver;
            let words = format!("NodeExpand is not supported by the CSI driver {name}");
            return Err((Failure::Unsupported, words));
        }
        let secrets = larger
            .secrets
            .clone()
            .map_err(|why| (Failure::Refused, why))?;
        let staged = self.layout.staged(&larger.name()).target;
        let places = (look.spot.target.as_path(), staged.as_path());
        let grown = driver.expand(larger, places, (size, &secrets), can).await;
        grown.map_err(|why| {
            let failure = failure_of(&why);
            let colon = if failure == Failure::Infeasible {
                ""
            } else {
                ": "
            };
            let what = "Expander.NodeExpand failed to expand the volume";
            (failure, format!("{what} {colon}{why}"))
        })
    }

    async fn tell(&self, look: &mut Look<'_>, claim: &ClaimNow, news: News) {
        look.news = Some(news);
        let (kind, reason, words) = news.said(&look.larger.volume, &self.node);
        look.claims.tell(claim, (kind, reason, &words)).await;
    }

    /// The volume is of this size as far as this node goes.
    async fn settle(&self, look: &Look<'_>, size: Quantity) -> Result<(), String> {
        self.keep(look, size).await?;
        self.troubles.over(&look.key);
        Ok(())
    }

    async fn keep(&self, look: &Look<'_>, size: Quantity) -> Result<(), String> {
        let directory = look.spot.directory.clone();
        let kept = blocking(move || {
            let Some(mut record) = record::read(&directory)? else {
                return Ok(());
            };
            if record.size() == Some(size) {
                return Ok(());
            }
            record.set_size(size);
            record::write(&directory, &record)
        });
        kept.await.map_err(unkept)
    }
}

fn unkept(error: io::Error) -> String {
    format!("cannot keep its record: {error}")
}

fn failure_of(why: &CallError) -> Failure {
    match why.outcome() {
        _ if why.is_in_use() => Failure::InUse,
        _ if why.is_infeasible() => Failure::Infeasible,
        Outcome::Refused => Failure::Refused,
        Outcome::Unknown | Outcome::Done => Failure::Unknown,
    }
}

fn failed(larger: &Larger, problem: String) -> VolumeError {
    let operation = match (larger.moment, larger.mode) {
        (Moment::Use, _) => return error(GROW, &larger.volume, problem),
        (Moment::Mount, VolumeMode::Filesystem) => "MountVolume.Setup",
        (Moment::Mount, VolumeMode::Block) => "MapVolume.MarkVolumeAsMounted",
    };
    VolumeError::Growing {
        operation,
        volume: larger.volume.clone(),
        problem,
    }
}
