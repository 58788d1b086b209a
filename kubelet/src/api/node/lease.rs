//! The Node's lease: as long as it is renewed, the cluster believes that the node lives.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::api::backoff::Backoff;
use crate::api::client::{ApiError, Client};

pub(super) const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

/// Renews the lease.
pub(crate) struct LeaseKeeper {
    client: Client,
    name: String,
    seconds: u32,
    /// As the server had it last.
    known: Option<Value>,
}

impl LeaseKeeper {
    /// A lease of the node with this name that counts for so long.
    pub(crate) fn new(client: &Client, name: &str, seconds: u32) -> Self {
        Self {
            client: client.unpaced(),
            name: name.to_owned(),
            seconds,
            known: None,
        }
    }

    /// Renews it until `shutdown`, from when the Node is there.
    pub(crate) async fn run(
        mut self,
        mut node: watch::Receiver<Option<String>>,
        shutdown: CancellationToken,
    ) {
        let keep = async {
            let Ok(uid) = node.wait_for(Option::is_some).await.map(|uid| uid.clone()) else {
                return;
            };
            self.keep(&uid.unwrap_or_default()).await;
        };
        // A renewal that is given up is made by the next kubelet.
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = keep => {}
        }
    }

    async fn keep(&mut self, uid: &str) {
        let pause = Duration::from_secs(self.seconds.into()) / 4;
        let mut backoff = Backoff::new();
        loop {
            // One that is late is no use.
            let renewed = timeout(pause.max(Duration::from_secs(1)), self.renew(uid)).await;
            match renewed {
                Ok(Ok(())) => {
                    let jitter =
                        backoff.jitter(1 + u64::try_from(pause.as_millis()).unwrap_or(0) / 25);
                    backoff.rest();
                    sleep(pause + Duration::from_millis(jitter)).await;
                }
                Ok(Err(error)) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "the node's lease is not renewed"
                    );
                    // Somebody else's version is asked for at once.
                    sleep(backoff.next().min(pause)).await;
                }
                Err(_) => {
                    self.known = None;
                    warn!("the node's lease is not renewed: the API server does not answer");
                }
            }
        }
    }

    async fn renew(&mut self, uid: &str) -> Result<(), ApiError> {
        let path = format!("{LEASES}/{}", self.name);
        if self.known.is_none() {
            self.known = match self.client.get(&path).await {
                Ok(lease) => Some(lease),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error),
            };
        }
        let lease = lease(
            self.known.take(),
            (&self.name, uid),
            self.seconds,
            Timestamp::now(),
        );
        let has_version = !lease["metadata"]["resourceVersion"].is_null();
        let renewed = match has_version {
            true => self.client.replace(&path, &lease).await,
            false => self.client.create(LEASES, &lease).await,
        };
        self.known = Some(renewed?);
        Ok(())
    }
}

/// The lease as it is told next.
pub(super) fn lease(
    known: Option<Value>,
    (name, uid): (&str, &str),
    seconds: u32,
    now: Timestamp,
) -> Value {
    let mut lease = known.unwrap_or_else(|| {
        json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": { "name": name, "namespace": "kube-node-lease" },
            "spec": {},
        })
    });
    if lease["metadata"]["ownerReferences"]
        .as_array()
        .is_none_or(Vec::is_empty)
    {
        lease["metadata"]["ownerReferences"] = json!([
            { "apiVersion": "v1", "kind": "Node", "name": name, "uid": uid },
        ]);
    }
    lease["spec"]["holderIdentity"] = name.into();
    lease["spec"]["leaseDurationSeconds"] = seconds.into();
    lease["spec"]["renewTime"] = format!("{now:.6}").into();
    lease
}
