//! What a node of a cluster does beside what every node does.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Kubelet, Settings};
use crate::api::{
    self, ApiAttachments, ApiClaims, ApiObjects, ApiObjectsParts, ApiReviewer, ApiSource, Asked,
    Client, ClusterSettings, Detection, DriverKeeper, DriverLimits, EventPoster, JoinError, Keeper,
    KeeperParts, LeaseKeeper, NodeVolumes, NodeWishes, Registrar, RegistrarParts, RemotePods,
    Renewal, ReviewSettings, Services, StatusKeeper, StatusKeeperParts, WishSource,
};
use crate::certificate::Shelf;
use crate::csi::{Attachments, Claims, Mounter, NoAttachments};
use crate::metrics::Metrics;
use crate::model::ObjectKind;
use crate::node::Portrait;
use crate::server::Reviews;
use crate::source::{Saying, StaticPods};
use crate::store::{LocalObjects, Objects};
use crate::sync::Input;

/// How often the node's addresses are looked up.
const LOOK: Duration = Duration::from_secs(30);

/// The cluster that the node joins.
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) node: NodeWishes,
    /// The UID of the Node, once it is there.
    pub(super) uid: watch::Sender<Option<String>>,
    /// The node's pods as the API server has them.
    pub(super) pods: Arc<RemotePods>,
    /// The static pods, which it is shown.
    pub(super) statics: watch::Sender<StaticPods>,
    /// The cluster's services.
    pub(super) services: Arc<Services>,
    /// What the Node says of volumes, once volumes are mounted.
    volumes: OnceLock<NodeVolumes>,
    /// Events in a second, and after a rest.
    pub(super) events: (u32, u32),
    reviews: ReviewSettings,
    detection: Detection,
    /// Kinds of objects that no pod gets, and the feature gate that keeps them back.
    closed: BTreeMap<ObjectKind, &'static str>,
    /// How long answers about ConfigMaps and Secrets count, when the Node says so.
    answers_age: watch::Sender<Option<Duration>>,
    /// Keeps the certificate that the API server is shown, if somebody has to.
    keeper: Option<Keeper>,
    /// Whether it is known that no other machine has the node's name.
    alone: watch::Sender<bool>,
}

impl Cluster {
    /// Who is asked whose a token is, and who may do what.
    fn reviews(&self, node: &str) -> Reviews {
        let ReviewSettings {
            tokens,
            access,
            times,
        } = self.reviews;
        let reviewer = Arc::new(ApiReviewer::new(self.client.clone(), node, times));
        Reviews {
            tokens: tokens.then(|| Arc::clone(&reviewer) as _),
            access: access.then_some(reviewer as _),
        }
    }

    /// Between who mounts volumes and who tells the Node's status.
    fn volumes(&self, csi: &Mounter) -> NodeVolumes {
        let volumes = self.volumes.get_or_init(|| NodeVolumes::new(csi.in_use()));
        volumes.clone()
    }

    /// Who knows what is attached.
    pub(super) fn attachments(&self, csi: &Mounter) -> Arc<dyn Attachments> {
        if !self.node.controller_attaches {
            return Arc::new(NoAttachments);
        }
        Arc::new(ApiAttachments::new(self.client.clone(), self.volumes(csi)))
    }

    /// Who has claims.
    pub(super) fn claims(&self) -> Arc<dyn Claims> {
        Arc::new(ApiClaims::new(self.client.clone()))
    }

    /// The cluster that the settings name, if they do; its API server is then asked who may ask the
    /// kubelet.
    pub(super) fn join(
        settings: &mut Settings,
        metrics: &Metrics,
    ) -> Result<Option<Self>, JoinError> {
        let Some(of_cluster) = &settings.cluster else {
            return Ok(None);
        };
        let (node, certificates) = (&settings.node_name, metrics.client_certificate());
        let (client, keeper) = api::connect(of_cluster, node, certificates)?;
        client.count(metrics.rest().clone());
        let cluster = Self {
            keeper,
            ..Self::new(client, of_cluster)
        };
        settings.server.reviews = cluster.reviews(&settings.node_name);
        Ok(Some(cluster))
    }

    fn new(client: Client, settings: &ClusterSettings) -> Self {
        Self {
            client,
            node: settings.node.clone(),
            events: settings.events,
            services: Arc::default(),
            volumes: OnceLock::new(),
            reviews: settings.reviews,
            detection: settings.detection,
            closed: settings.closed.clone(),
            answers_age: watch::Sender::new(None),
            uid: watch::Sender::new(None),
            pods: Arc::default(),
            statics: watch::Sender::default(),
            keeper: None,
            alone: watch::Sender::new(false),
        }
    }
}

impl Kubelet {
    /// Who has the objects of pods: manifests alone, or the cluster too, whose objects and services are
    /// then followed.
    pub(super) fn shelves(
        &self,
        local: LocalObjects,
        inbox: &mpsc::Sender<Input>,
        parts: &mut JoinSet<&'static str>,
        stop: &CancellationToken,
    ) -> Arc<dyn Objects> {
        let Some(cluster) = &self.cluster else {
            return Arc::new(local);
        };
        let (client, pods) = (cluster.client.clone(), Arc::clone(&cluster.pods));
        let age = cluster.answers_age.subscribe();
        let asked = Asked::new(client.clone(), cluster.detection, age);
        let (objects, changes) = ApiObjects::new(ApiObjectsParts {
            client,
            pods,
            local,
            asked,
            closed: cluster.closed.clone(),
            events: Arc::clone(&self.events) as _,
            certificates: self.metrics.pod_certificates().clone(),
        });
        let (followers, inbox, to_objects) = (Arc::clone(&objects), inbox.clone(), stop.clone());
        parts.spawn(async move {
            followers.run(changes, inbox, to_objects).await;
            "followers of objects"
        });
        let (services, client) = (Arc::clone(&cluster.services), cluster.client.clone());
        let stop = stop.clone();
        parts.spawn(async move {
            services.run(client, stop).await;
            "follower of services"
        });
        objects
    }

    /// Finds the addresses of a node of a cluster, and follows them as they change.
    pub(super) async fn follow_addresses(
        &mut self,
        parts: &mut JoinSet<&'static str>,
        stop: &CancellationToken,
    ) {
        if self.cluster.is_none() {
            return;
        }
        let found = self.book.look_up().await;
        self.settings.node_ips.clone_from(&found);
        self.addresses.send_replace(found);
        let (book, addresses, stop) = (self.book.clone(), self.addresses.clone(), stop.clone());
        parts.spawn(async move {
            // A look-up that is given up has changed nothing.
            while stop.run_until_cancelled(sleep(LOOK)).await.is_some() {
                let found = book.look_up().await;
                addresses.send_if_modified(|known| {
                    let is_new = *known != found;
                    if is_new {
                        info!(addresses = ?found, "the node has other addresses");
                        *known = found;
                    }
                    is_new
                });
            }
            "follower of the node's addresses"
        });
    }

    /// On a node that stands alone the configuration says which addresses pods get; in a cluster, the Node.
    pub(super) async fn hand_over_pod_cidr(&self) {
        let cidr = &self.settings.pod_cidr;
        if self.cluster.is_some() || cidr.is_empty() {
            return;
        }
        if let Err(error) = self.runtime.set_pod_cidr(cidr).await {
            warn!(%error, cidr, "the runtime does not take the pod CIDR");
        }
    }

    /// Keeps the certificates that the API server signs: all else that asks it waits for the first.
    pub(super) fn start_certificates(
        &mut self,
        parts: &mut JoinSet<&'static str>,
        stop: &CancellationToken,
    ) {
        let addresses = self.addresses.subscribe();
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let serving = self.settings.server.tls.signed.as_ref().map(|pki| {
            Keeper::new(KeeperParts {
                wish: WishSource::Serving(self.settings.node_name.clone(), addresses),
                shelf: Shelf::of_server(pki),
                renewal: Renewal::InTime,
                own: cluster.client.clone(),
                first: None,
                metrics: self.metrics.server_certificate().clone(),
                has_one: watch::Sender::new(false),
            })
        });
        for keeper in cluster.keeper.take().into_iter().chain(serving) {
            let stop = stop.clone();
            parts.spawn(async move {
                keeper.run(stop).await;
                "keeper of a certificate"
            });
        }
    }

    /// Registers the node, if there is a cluster.
    pub(super) fn start_node(
        &self,
        portrait: &Arc<Portrait>,
        parts: &mut JoinSet<&'static str>,
        stop: &CancellationToken,
    ) {
        let Some(cluster) = &self.cluster else { return };
        let name = &self.settings.node_name;
        let registrar = Registrar::new(RegistrarParts {
            client: cluster.client.clone(),
            name: name.clone(),
            wishes: cluster.node.clone(),
            portrait: Arc::clone(portrait),
            standing: self.standing.subscribe(),
            events: Arc::clone(&self.events) as _,
            facts: self.node.clone(),
            volumes: cluster.volumes(&self.csi),
            uid: cluster.uid.clone(),
            answers_age: cluster.answers_age.clone(),
            alone: cluster.alone.clone(),
            runtime: Arc::clone(&self.runtime),
            startup: self.metrics.startup().clone(),
        });
        let to_registrar = stop.clone();
        parts.spawn(async move {
            registrar.run(to_registrar).await;
            "registrar of the node"
        });
        let lease = LeaseKeeper::new(&cluster.client, name, cluster.node.lease_seconds);
        let (uid, to_lease) = (cluster.uid.subscribe(), stop.clone());
        parts.spawn(async move {
            lease.run(uid, to_lease).await;
            "keeper of the node's lease"
        });
        let drivers = self.csi.drivers().clone();
        let limits = DriverLimits::new(cluster.client.clone(), drivers.clone());
        let to_limits = stop.clone();
        parts.spawn(async move {
            limits.run(to_limits).await;
            "asker of drivers' limits"
        });
        let keeper = DriverKeeper::new(cluster.client.clone(), name, drivers);
        let (uid, to_keeper) = (cluster.uid.subscribe(), stop.clone());
        parts.spawn(async move {
            keeper.run(uid, to_keeper).await;
            "keeper of drivers"
        });
        let events = Arc::clone(&self.events);
        let poster = EventPoster::new(&cluster.client, name, events, cluster.events);
        let stop = stop.clone();
        parts.spawn(async move {
            poster.run(stop).await;
            "poster of events"
        });
    }

    /// Takes pods from the cluster, and tells it what becomes of them and of static ones.
    pub(super) fn start_pods(
        &self,
        says: mpsc::Sender<Saying>,
        parts: &mut JoinSet<&'static str>,
        stop: &CancellationToken,
    ) {
        let Some(cluster) = &self.cluster else { return };
        let (client, name) = (&cluster.client, &self.settings.node_name);
        let events = Arc::clone(&self.events) as _;
        let source = ApiSource::new(client.clone(), name, events, Arc::clone(&cluster.pods));
        let (mut alone, to_source) = (cluster.alone.subscribe(), stop.clone());
        parts.spawn(async move {
            // Pods of another machine are not for this one.
            let let_in = alone.wait_for(|alone| *alone);
            let is_alone = matches!(to_source.run_until_cancelled(let_in).await, Some(Ok(_)));
            if is_alone {
                source.run(says, to_source).await;
            }
            "source of the cluster's pods"
        });
        let keeper = StatusKeeper::new(StatusKeeperParts {
            client: client.clone(),
            node: name.clone(),
            node_uid: cluster.uid.subscribe(),
            remote: Arc::clone(&cluster.pods),
            table: Arc::clone(&self.pods),
            statics: cluster.statics.subscribe(),
            metrics: self.metrics.pods().clone(),
        });
        let stop = stop.clone();
        parts.spawn(async move {
            keeper.run(stop).await;
            "keeper of pods' statuses"
        });
    }
}
