//! Keeps one certificate: asks for it when there is none that is good, and for the next one in time.
//!
//! The disk is what counts: it is looked at before each step, so that a certificate that somebody else
//! puts there ends the asking, and a clock that is set ends the waiting.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::ask::{AskError, ask};
use crate::api::backoff::Backoff;
use crate::api::client::Client;
use crate::certificate::{Leaf, Shelf, ShelfError, Wish, due};
use crate::metrics::CertificateMetrics;

/// How often the disk is looked at at least.
const LOOK: Duration = Duration::from_secs(60);

/// The first wait after a failure, and the longest; after a refusal it may be longer.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(32);
const LONGEST_AFTER_REFUSAL: Duration = Duration::from_secs(300);

/// Whether a certificate is replaced before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// It is.
    InTime,
    /// Only one that is missing is asked for.
    Never,
}

/// Where what is wished comes from.
pub(crate) enum WishSource {
    /// It stays the same.
    Fixed(Wish),
    /// A serving certificate for a node, which has these addresses now.
    Serving(String, watch::Receiver<Vec<IpAddr>>),
}

impl WishSource {
    /// What is wished now; nothing while there is nothing to ask for.
    fn current(&mut self) -> Option<Wish> {
        match self {
            Self::Fixed(wish) => Some(wish.clone()),
            Self::Serving(node, addresses) => {
                let names = std::slice::from_ref(node);
                Wish::serving(node, names, &addresses.borrow_and_update())
            }
        }
    }

    /// Who is told when that changes.
    fn changes(&self) -> Option<watch::Receiver<Vec<IpAddr>>> {
        match self {
            Self::Fixed(_) => None,
            Self::Serving(_, addresses) => Some(addresses.clone()),
        }
    }
}

/// What a keeper is made of.
pub(crate) struct KeeperParts {
    pub(crate) wish: WishSource,
    pub(crate) shelf: Shelf,
    pub(crate) renewal: Renewal,
    /// Asks as the node that has a certificate.
    pub(crate) own: Client,
    /// Asks while it has none.
    pub(crate) first: Option<Client>,
    pub(crate) metrics: CertificateMetrics,
    /// Whether there is one; who needs it waits for this.
    pub(crate) has_one: watch::Sender<bool>,
}

/// Keeps one certificate.
pub(crate) struct Keeper {
    parts: KeeperParts,
    backoff: Backoff,
    wait: Duration,
    /// The certificate that is here, and when the next one is asked for.
    plan: Option<(Leaf, Timestamp)>,
}

/// What is done next.
enum Step {
    Wait(Duration),
    Ask(Option<Leaf>),
}

impl Keeper {
    /// One that has asked for nothing yet.
    pub(crate) fn new(parts: KeeperParts) -> Self {
        Self {
            parts,
            backoff: Backoff::new(),
            wait: FIRST_WAIT,
            plan: None,
        }
    }

    /// Works until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        // A request that is given up is found again by the next kubelet.
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.work() => {}
        }
        shutdown.cancelled().await;
    }

    async fn work(&mut self) {
        loop {
            let wish = self.parts.wish.current();
            let step = match &wish {
                Some(wish) => self.next_step(wish),
                None => Step::Wait(LOOK),
            };
            let mut changes = self.parts.wish.changes();
            let changed = async {
                let is_changed = match &mut changes {
                    Some(changes) => changes.changed().await.is_ok(),
                    None => false,
                };
                if !is_changed {
                    std::future::pending::<()>().await;
                }
            };
            // Both are begun anew by the next round.
            tokio::select! {
                () = changed => {}
                () = self.take(step, wish.as_ref()) => {}
            }
        }
    }

    /// What the disk says.
    fn next_step(&mut self, wish: &Wish) -> Step {
        let now = Timestamp::now();
        let current = self.parts.shelf.current().unwrap_or_else(|error| {
            let error = &error as &dyn std::error::Error;
            warn!(error, "a new certificate is asked for");
            None
        });
        self.parts
            .metrics
            .ends_at(current.as_ref().map(|leaf| leaf.until));
        let Some(leaf) = current else {
            return Step::Ask(None);
        };
        if leaf.has_expired(now) {
            return Step::Ask(Some(leaf));
        }
        let tell = &self.parts.has_one;
        tell.send_if_modified(|has| !std::mem::replace(has, true));
        if !wish.is_met_by(&leaf) {
            return Step::Ask(Some(leaf));
        }
        if self.parts.renewal == Renewal::Never {
            return Step::Wait(LOOK);
        }
        let due = self.due(&leaf);
        match Duration::try_from(due.duration_since(now)) {
            Ok(left) if !left.is_zero() => Step::Wait(left.min(LOOK)),
            _ => Step::Ask(Some(leaf)),
        }
    }

    /// When the one after this is asked for: chosen once.
    fn due(&mut self, leaf: &Leaf) -> Timestamp {
        if let Some((known, due)) = &self.plan
            && known == leaf
        {
            return *due;
        }
        const PARTS: u64 = 10_000;
        #[expect(clippy::cast_precision_loss, reason = "it is a small number")]
        let chance = self.backoff.jitter(PARTS) as f64 / PARTS as f64;
        let due = due(leaf, chance);
        info!(
            expiration = %leaf.until,
            deadline = %due,
            file = %self.parts.shelf.current_file().display(),
            "certificate rotation deadline determined"
        );
        self.plan = Some((leaf.clone(), due));
        due
    }

    async fn take(&mut self, step: Step, wish: Option<&Wish>) {
        match (step, wish) {
            (Step::Ask(current), Some(wish)) => {
                if let Err(error) = self.renew(current, wish).await {
                    sleep(self.wait_after(&error)).await;
                }
            }
            (Step::Wait(time), _) => sleep(time).await,
            (Step::Ask(_), None) => sleep(LOOK).await,
        }
    }

    fn wait_after(&mut self, error: &RenewError) -> Duration {
        self.parts.metrics.failed();
        let longest = match error.is_final() {
            true => LONGEST_AFTER_REFUSAL,
            false => LONGEST_WAIT,
        };
        let wait = self.wait;
        self.wait = (2 * wait).min(longest);
        let error = error as &dyn std::error::Error;
        warn!(error, again_after = ?wait, "there is no new certificate");
        let jitter = u64::try_from(wait.as_millis()).unwrap_or(0) / 10;
        wait + Duration::from_millis(self.backoff.jitter(jitter))
    }

    async fn renew(&mut self, current: Option<Leaf>, wish: &Wish) -> Result<(), RenewError> {
        let KeeperParts {
            shelf,
            own,
            first,
            metrics,
            ..
        } = &self.parts;
        let key = shelf.pending_key(current.as_ref())?;
        let is_known = current
            .as_ref()
            .is_some_and(|leaf| !leaf.has_expired(Timestamp::now()));
        let client = match first {
            Some(first) if !is_known => first,
            _ => own,
        };
        let pem = ask(client, wish, &key).await.inspect_err(|error| {
            if error.is_final() {
                shelf.drop_pending_key();
            }
        })?;
        let now = Timestamp::now();
        let put = shelf.put(&pem, &key.serialize_pem(), now);
        let leaf = put.inspect_err(|_| shelf.drop_pending_key())?;
        info!(
            file = %shelf.current_file().display(),
            expiration = %leaf.until,
            "a certificate was issued"
        );
        // Streams that were opened with the old one are opened anew. One that cannot be used is told by who
        // asks next.
        let _ = own.look().await;
        if let Some(old) = current {
            metrics.rotated(now.duration_since(old.since));
        }
        self.wait = FIRST_WAIT;
        Ok(())
    }
}

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
enum RenewError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Shelf(#[from] ShelfError),
}

impl RenewError {
    fn is_final(&self) -> bool {
        match self {
            Self::Ask(error) => error.is_final(),
            Self::Shelf(_) => true,
        }
    }
}
