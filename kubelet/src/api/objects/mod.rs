//! Objects of the API server that pods refer to: each is followed as long as a pod does, unless
//! ConfigMaps and Secrets shall be asked for.
//!
//! ```text
//! get (reader, key) ─► a follower, if there is none ─► Seen ─► the object
//!                        └─ it changes ─► Input::ObjectsChanged ─► workers of its readers
//! forget (reader) ─► followers without readers end
//! ```
//!
//! Pods of manifests have the objects of manifests, and no others.

mod asked;
mod asked_again;
mod bundles;
mod certificate;
mod follow;
mod token;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::client::Client;
use super::pods::RemotePods;
use crate::metrics::PodCertificateMetrics;
use crate::model::{Object, ObjectKey, ObjectKind, ObjectNotFound, PodUid};
use crate::store::{LocalObjects, LookupError, Objects};
use crate::sync::{EventRecorder, Input};
pub(crate) use asked::{Asked, Detection, age_of};
use told::Told;

/// How long a pod waits for an object, before it says so and tries again.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known of an object.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    /// The API server has not answered yet.
    Unknown,
    /// It has none.
    Missing,
    /// It has this one.
    There(Object),
    /// It has one that is of no use, or says why it gives none.
    Wrong(String),
}

/// An object; a token or a certificate is also somebody's.
type Place = (Option<PodUid>, ObjectKey);

/// Somebody follows an object.
struct Followed {
    readers: BTreeSet<PodUid>,
    seen: watch::Receiver<Seen>,
    /// Ends it.
    _guard: DropGuard,
}

/// Objects of the API server, and those of manifests for the pods of manifests.
pub(crate) struct ApiObjects {
    client: Client,
    pods: Arc<RemotePods>,
    local: LocalObjects,
    /// Who asks for ConfigMaps and Secrets, when they are not followed.
    asked: Option<Asked>,
    /// Kinds that no pod gets, and the feature gate that keeps them back.
    closed: BTreeMap<ObjectKind, &'static str>,
    events: Arc<dyn EventRecorder>,
    certificates: PodCertificateMetrics,
    changed: mpsc::UnboundedSender<ObjectKey>,
    followed: Mutex<BTreeMap<Place, Followed>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What it is made of.
pub(crate) struct ApiObjectsParts {
    pub(crate) client: Client,
    pub(crate) pods: Arc<RemotePods>,
    pub(crate) local: LocalObjects,
    pub(crate) asked: Option<Asked>,
    /// Kinds that no pod gets, and the feature gate that keeps them back.
    pub(crate) closed: BTreeMap<ObjectKind, &'static str>,
    pub(crate) events: Arc<dyn EventRecorder>,
    /// Where certificates of pods are counted.
    pub(crate) certificates: PodCertificateMetrics,
}

/// Where what changed comes out.
pub(crate) type ChangedObjects = mpsc::UnboundedReceiver<ObjectKey>;

impl ApiObjects {
    /// Nobody reads anything yet.
    pub(crate) fn new(parts: ApiObjectsParts) -> (Arc<Self>, ChangedObjects) {
        let ApiObjectsParts {
            client,
            pods,
            local,
            asked,
            closed,
            events,
            certificates,
        } = parts;
        // A follower tells of a change now and then.
        let (changed, changes) = mpsc::unbounded_channel();
        let objects = Self {
            client,
            pods,
            local,
            asked,
            closed,
            events,
            certificates,
            changed,
            followed: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        (Arc::new(objects), changes)
    }

    /// Tells the sync loop of changes until `shutdown`, and ends every follower then.
    pub(crate) async fn run(
        self: Arc<Self>,
        mut changes: ChangedObjects,
        inbox: mpsc::Sender<Input>,
        shutdown: CancellationToken,
    ) {
        loop {
            // Both arms only receive.
            let key = tokio::select! {
                () = shutdown.cancelled() => break,
                Some(key) = changes.recv() => key,
            };
            let mut changed = self.claims_on(&key);
            changed.insert(key);
            if inbox.send(Input::ObjectsChanged(changed)).await.is_err() {
                break;
            }
        }
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The claims on a volume: pods refer to them, and to no volume.
    fn claims_on(&self, changed: &ObjectKey) -> BTreeSet<ObjectKey> {
        if changed.kind != ObjectKind::PersistentVolume {
            return BTreeSet::new();
        }
        let followed = self.followed();
        let claims = followed
            .iter()
            .filter(|(_, one)| is_on(&one.seen.borrow(), &changed.name));
        claims.map(|((_, key), _)| key.clone()).collect()
    }

    /// What is known of an object from now on, and from a follower that is there or begins.
    fn follow(&self, reader: &PodUid, key: &ObjectKey) -> watch::Receiver<Seen> {
        let is_own = matches!(
            key.kind,
            ObjectKind::ServiceAccountToken | ObjectKind::PodCertificate
        );
        let place = (is_own.then(|| reader.clone()), key.clone());
        let mut followed = self.followed();
        let entry = followed
            .entry(place)
            .or_insert_with(|| self.begin(reader, key));
        entry.readers.insert(reader.clone());
        entry.seen.clone()
    }

    fn begin(&self, reader: &PodUid, key: &ObjectKey) -> Followed {
        let (tell, seen) = watch::channel(Seen::Unknown);
        let end = self.stop.child_token();
        let to_follower = end.clone();
        let client = self.client.clone();
        let told = Told::new(key.clone(), (tell, self.changed.clone()));
        match key.kind {
            ObjectKind::ServiceAccountToken => {
                let pod = self.pods.with_uid(reader);
                let tokens = token::Tokens { client, pod, told };
                self.tasks.spawn(tokens.follow(to_follower));
            }
            ObjectKind::PodCertificate => {
                let certificates = certificate::Certificates {
                    client,
                    pod: self.pods.with_uid(reader),
                    events: Arc::clone(&self.events),
                    told,
                    metrics: self.certificates.clone(),
                };
                self.tasks.spawn(certificates.follow(to_follower));
            }
            ObjectKind::ClusterTrustBundle => {
                self.tasks.spawn(bundles::follow(client, told, to_follower));
            }
            kind if asked_again::is_for(kind) => {
                self.tasks
                    .spawn(asked_again::ask(client, told, to_follower));
            }
            _ => {
                self.tasks.spawn(follow::follow(client, told, to_follower));
            }
        }
        Followed {
            readers: BTreeSet::new(),
            seen,
            _guard: end.drop_guard(),
        }
    }

    fn followed(&self) -> MutexGuard<'_, BTreeMap<Place, Followed>> {
        self.followed
            .lock()
            .expect("no holder of this lock can panic")
    }

    async fn find(&self, reader: &PodUid, key: &ObjectKey) -> Result<Object, LookupError> {
        let unavailable = |source: Box<dyn std::error::Error + Send + Sync>| {
            let key = key.clone();
            LookupError::Unavailable { key, source }
        };
        if let Some(gate) = self.closed.get(&key.kind) {
            let why = format!("the feature gate {gate} is closed");
            return Err(unavailable(why.into()));
        }
        let seen = match self.asked.as_ref().filter(|_| Asked::is_for(key.kind)) {
            Some(asked) => asked
                .find(reader, key)
                .await
                .map_err(|error| unavailable(error.into()))?,
            None => self
                .see(reader, key)
                .await
                .ok_or_else(|| unavailable("timed out waiting for the API server".into()))?,
        };
        match seen {
            Seen::There(object) => Ok(object),
            Seen::Missing => Err(ObjectNotFound(key.clone()).into()),
            Seen::Wrong(why) => Err(unavailable(why.into())),
            Seen::Unknown => Err(unavailable("nobody follows it any more".into())),
        }
    }

    /// What a follower knows, as soon as it knows anything; nothing when that takes too long.
    async fn see(&self, reader: &PodUid, key: &ObjectKey) -> Option<Seen> {
        let mut seen = self.follow(reader, key);
        let known = seen.wait_for(|seen| *seen != Seen::Unknown);
        let known = timeout(PATIENCE, known).await.ok()?;
        Some(known.map_or(Seen::Unknown, |seen| seen.clone()))
    }
}

impl Objects for ApiObjects {
    fn get<'a>(
        &'a self,
        reader: &'a PodUid,
        key: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Object, LookupError>> {
        match self.pods.with_uid(reader) {
            Some(_) => self.find(reader, key).boxed(),
            None => self.local.get(reader, key),
        }
    }

    fn forget(&self, reader: &PodUid) {
        self.followed().retain(|_, followed| {
            followed.readers.remove(reader);
            !followed.readers.is_empty()
        });
        if let Some(asked) = &self.asked {
            asked.forget(reader);
        }
        self.local.forget(reader);
    }
}

/// Whether this is a claim on a volume of this name.
fn is_on(seen: &Seen, volume: &str) -> bool {
    match seen {
        Seen::There(Object::PersistentVolumeClaim(claim)) => {
            claim.volume.as_deref() == Some(volume)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::{Seen, is_on};
    use crate::model::{Object, ObjectKind};
    use crate::source::read_object;

    #[test]
    fn a_volume_that_changes_is_news_for_the_claims_on_it_alone() {
        let claim = |volume: Option<&str>| {
            let claim = json!({
                "metadata": { "name": "room", "namespace": "default" },
                "spec": {
                    "accessModes": ["ReadWriteOnce"], "volumeName": volume,
                    "resources": { "requests": { "storage": "1Gi" } },
                },
            });
            let claim = read_object(ObjectKind::PersistentVolumeClaim, claim);
            Seen::There(claim.expect("it is a claim"))
        };
        assert!(is_on(&claim(Some("disk")), "disk"));
        for other in [
            claim(Some("other")),
            claim(None),
            Seen::Missing,
            Seen::There(Object::TrustBundles(Arc::default())),
        ] {
            assert!(!is_on(&other, "disk"));
        }
    }
}
