//! The source of pods at the API server: those with this node's name, but for mirror pods, which only
//! show static ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::read::{read, without_effect};
use super::{RemotePods, is_mirror, name_of, uid};
use crate::api::client::Client;
use crate::api::reflect::{News, Reflector};
use crate::model::{Event, EventKind, Pod, PodName, PodOrigin, PodSource};
use crate::source::{Contents, Saying, Scan};
use crate::sync::{Clock, EventRecorder, SystemClock};

/// The source of pods at the API server.
pub(crate) struct ApiSource {
    client: Client,
    node: String,
    events: Arc<dyn EventRecorder>,
    remote: Arc<RemotePods>,
    /// Those that can be run here, or leave.
    pods: BTreeMap<PodName, Seen>,
}

/// A pod of the API server.
struct Seen {
    uid: String,
    /// When it was seen first, and what was told of it then.
    since: Timestamp,
    first_told: Option<core::PodStatus>,
    /// Nothing for one that is not understood.
    pod: Option<Arc<Pod>>,
}

impl ApiSource {
    /// A source of the pods of this node.
    pub(crate) fn new(
        client: Client,
        node: &str,
        events: Arc<dyn EventRecorder>,
        remote: Arc<RemotePods>,
    ) -> Self {
        Self {
            client,
            node: node.to_owned(),
            events,
            remote,
            pods: BTreeMap::new(),
        }
    }

    /// Says what shall run here until `shutdown`.
    pub(crate) async fn run(mut self, says: mpsc::Sender<Saying>, shutdown: CancellationToken) {
        let path = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{}", self.node);
        let (tell, mut told) = mpsc::channel(64);
        let reflector = Reflector::new(self.client.clone(), path);
        let mut reflecting = std::pin::pin!(reflector.run(tell, shutdown));
        loop {
            // Only receiving is cancelled.
            let news = tokio::select! {
                () = &mut reflecting => return,
                Some(news) = told.recv() => news,
            };
            let mut is_news = self.hear(news);
            // What has come meanwhile is said together.
            while let Ok(news) = told.try_recv() {
                is_news |= self.hear(news);
            }
            if is_news && says.send(self.say()).await.is_err() {
                return;
            }
        }
    }

    fn say(&self) -> Saying {
        let pods = self.pods.values().filter_map(|seen| seen.pod.clone());
        let contents = Contents {
            pods: pods.collect(),
            objects: Vec::new(),
        };
        Saying {
            source: PodSource::Api,
            scan: BTreeMap::from([(PodOrigin::Api, Scan::Read(contents))]),
        }
    }

    /// Whether it may change what shall run.
    fn hear(&mut self, news: News) -> bool {
        match news {
            News::All(objects) => {
                let pods: Vec<_> = objects.into_iter().filter_map(understood).collect();
                let is_there = |name: &PodName| pods.iter().any(|pod| name_of(pod) == *name);
                self.pods.retain(|name, _| is_there(name));
                for pod in &pods {
                    self.see(pod);
                }
                self.remote.replace(pods);
                true
            }
            News::Set(object) => {
                let Some(pod) = understood(object) else {
                    return false;
                };
                let is_news = self.see(&pod);
                self.remote.set(pod);
                is_news
            }
            News::Gone(object) => {
                let Some(pod) = understood(object) else {
                    return false;
                };
                let name = name_of(&pod);
                self.remote.remove(&name, pod.metadata.uid.as_deref());
                let is_it = self
                    .pods
                    .get(&name)
                    .is_some_and(|seen| seen.uid == uid(&pod));
                is_it && self.pods.remove(&name).is_some()
            }
        }
    }

    fn see(&mut self, pod: &Arc<core::Pod>) -> bool {
        if is_mirror(pod) {
            return false;
        }
        let name = name_of(pod);
        let known = self.pods.get(&name).filter(|seen| seen.uid == uid(pod));
        let now = SystemClock.now();
        let (since, first_told) = match known {
            Some(seen) => (seen.since, seen.first_told.clone()),
            None => (now, pod.status.clone()),
        };
        let told = first_told.clone().filter(|_| known.is_some());
        if known.is_none() {
            for message in without_effect(pod) {
                self.warn(pod, "FieldIgnored", message);
            }
        }
        let read = match read(pod.as_ref().clone(), told, since) {
            Ok(read) => Some(Arc::new(read)),
            Err(problems) => {
                let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                let message = format!("the pod cannot be run here: {}", problems.join("; "));
                let before = known.and_then(|seen| seen.pod.clone());
                if before.is_none() {
                    self.remote.refuse(uid(pod), problems.join("; "));
                }
                self.warn(pod, "FailedValidation", message);
                before
            }
        };
        let seen = Seen {
            uid: uid(pod).to_owned(),
            since,
            first_told,
            pod: read,
        };
        self.pods.insert(name, seen);
        true
    }

    fn warn(&self, pod: &core::Pod, reason: &'static str, message: String) {
        self.events.record(Event {
            pod: name_of(pod),
            uid: Some(uid(pod).into()),
            container: None,
            kind: EventKind::Warning,
            reason: reason.into(),
            message,
        });
    }
}

fn understood(object: Value) -> Option<Arc<core::Pod>> {
    match serde_json::from_value(object) {
        Ok(pod) => Some(Arc::new(pod)),
        Err(error) => {
            warn!(%error, "the API server has a pod that is not understood");
            None
        }
    }
}
