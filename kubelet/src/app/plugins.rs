//! Programs beside the kubelet that are of use to its pods: devices and volumes come of them.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Kubelet;
use crate::csi;
use crate::device;
use crate::plugin::{self, Doors};
use crate::pod_resources;
use crate::sync::Input;

/// Plugins on their way to their door.
const KNOCKS: usize = 16;

impl Kubelet {
    /// Starts to let plugins in, and to tell who has what of them.
    pub(super) fn start_plugins(
        &self,
        parts: &mut JoinSet<&'static str>,
        inbox: &mpsc::Sender<Input>,
        stop: &CancellationToken,
    ) {
        let devices = self.start_devices(parts, inbox, stop);
        let drivers = self.start_drivers(parts, stop);
        let doors = Doors::from([("DevicePlugin", devices), ("CSIPlugin", drivers)]);
        let (registry, stop) = (self.settings.root.join("plugins_registry"), stop.clone());
        parts.spawn(async move {
            plugin::run(registry, doors, stop).await;
            "watcher of plugins"
        });
    }

    fn start_devices(
        &self,
        parts: &mut JoinSet<&'static str>,
        inbox: &mpsc::Sender<Input>,
        stop: &CancellationToken,
    ) -> mpsc::Sender<plugin::Knock> {
        let places = self.settings.plugin_places();
        let (desk, inbox, stop) = (Arc::clone(&self.devices), inbox.clone(), stop.clone());
        let sources = pod_resources::Sources {
            devices: Arc::clone(&desk),
            pinning: Arc::clone(&self.pinning),
            tenants: self.tenants.subscribe(),
            metrics: self.metrics.listing().clone(),
        };
        let directory = self.settings.root.join("pod-resources");
        let to_listing = stop.clone();
        parts.spawn(async move {
            pod_resources::run(&directory, sources, to_listing).await;
            "listing of devices"
        });
        let (knocks, found) = mpsc::channel(KNOCKS);
        parts.spawn(async move {
            device::run(places, (desk, inbox), found, stop).await;
            "registration of devices"
        });
        knocks
    }

    fn start_drivers(
        &self,
        parts: &mut JoinSet<&'static str>,
        stop: &CancellationToken,
    ) -> mpsc::Sender<plugin::Knock> {
        let (knocks, found) = mpsc::channel(KNOCKS);
        let (drivers, to_door) = (self.csi.drivers().clone(), stop.clone());
        parts.spawn(async move {
            csi::let_in(drivers, found, to_door).await;
            "registration of drivers"
        });
        let (mounter, stop) = (self.csi.clone(), stop.clone());
        parts.spawn(async move {
            csi::keep_up(mounter, stop).await;
            "upkeep of drivers' volumes"
        });
        knocks
    }
}
