//! Tells the cluster which drivers the node has.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::plan::{self, Known, Telling};
use crate::api::backoff::Backoff;
use crate::api::client::{ApiError, Client, Patch};
use crate::api::node;
use crate::csi::Drivers;

const CSI_NODES: &str = "/apis/storage.k8s.io/v1/csinodes";

/// Keeps the CSINode, and what the Node says of drivers.
pub(crate) struct DriverKeeper {
    client: Client,
    node: String,
    drivers: Drivers,
    known: Known,
}

impl DriverKeeper {
    /// One for the node with this name.
    pub(crate) fn new(client: Client, node: &str, drivers: Drivers) -> Self {
        Self {
            client,
            node: node.to_owned(),
            drivers,
            known: Known::default(),
        }
    }

    /// Works until `shutdown`, from when the Node is there.
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
        // What is given up is told by the next kubelet.
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = keep => {}
        }
    }

    async fn keep(&mut self, uid: &str) {
        let mut changes = self.drivers.changes();
        let mut backoff = Backoff::new();
        loop {
            self.known.learn(self.drivers.nodes());
            match self.tell(uid).await {
                Ok(()) => {
                    backoff.rest();
                    changes.next().await;
                }
                Err(error) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "the cluster is not told of CSI drivers"
                    );
                    tokio::time::sleep(backoff.next()).await;
                }
            }
        }
    }

    async fn tell(&self, uid: &str) -> Result<(), ApiError> {
        let path = node::path(&self.node);
        let existing = self.client.get(&path).await?;
        let (patch, contradictions) = plan::node(&existing, &self.known);
        for problem in contradictions {
            warn!(
                problem,
                "a CSI driver and the Node do not agree where it is"
            );
        }
        if let Some(patch) = patch {
            self.client.patch(&path, Patch::Merge, &patch).await?;
        }
        self.tell_csi_node(uid).await
    }

    async fn tell_csi_node(&self, uid: &str) -> Result<(), ApiError> {
        let path = format!("{CSI_NODES}/{}", self.node);
        let mut existing = match self.client.get(&path).await {
            Ok(existing) => Some(existing),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        loop {
            let told = plan::csi_node(existing.as_ref(), (&self.node, uid), &self.known);
            match told {
                Telling::Nothing => return Ok(()),
                Telling::Create(made) => {
                    return self.client.create(CSI_NODES, &made).await.map(drop);
                }
                Telling::Replace(now) => return self.client.replace(&path, &now).await.map(drop),
                Telling::Remove => {
                    let others = existing.take().unwrap_or_default();
                    let uid = others["metadata"]["uid"].as_str().unwrap_or_default();
                    self.client.remove(&path, uid).await?;
                }
            }
        }
    }
}
