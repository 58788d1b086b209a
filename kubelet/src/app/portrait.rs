//! The node as it shows itself.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Kubelet, Settings};
use crate::evict::Standing;
use crate::node::{Identity, Portrait};
use crate::server::Doors;

impl Kubelet {
    /// The node, with the port that was got.
    pub(super) fn portrait(&self, doors: &Doors) -> Arc<Portrait> {
        let port = doors.addresses()[0].map(|address| address.port());
        let identity = identity(&self.settings, (port, self.standing.subscribe()));
        let (runtime, pulse) = (Arc::clone(&self.runtime), self.pulse.clone());
        let devices = Arc::clone(&self.devices);
        Arc::new(Portrait::new(identity, runtime, pulse, devices))
    }
}

/// What of the node does not change while the kubelet runs.
pub(super) fn identity(
    settings: &Settings,
    (port, standing): (Option<u16>, watch::Receiver<Standing>),
) -> Identity {
    Identity {
        standing,
        name: settings.node_name.clone(),
        addresses: settings.node_ips.clone(),
        root: settings.root.clone(),
        labels: settings.node_labels.clone(),
        port,
        reserve: settings.reserve.clone(),
        most_images: settings.most_images,
    }
}
