//! The drivers that are registered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::wire::Driver;
use crate::metrics::VolumeMetrics;
use crate::model::StringMap;

/// How long a driver is waited for: one that is there registers soon after the kubelet begins.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a driver calls this node, and what it can take here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its name for the node.
    pub id: String,
    /// How many volumes the node can have; 0 for any number.
    pub most_volumes: i64,
    /// Where the node is, for the driver: labels.
    pub topology: StringMap,
}

/// A version of the contract.
pub(super) type Version = [u64; 3];

/// A driver that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registered {
    /// Where it was found.
    pub(super) socket: PathBuf,
    /// Where it serves.
    pub(super) endpoint: PathBuf,
    /// The highest version that it speaks and we do.
    pub(super) version: Version,
    /// What it says of the node.
    pub(super) info: NodeInfo,
}

/// No such driver is registered.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("driver name {0} not found in the list of registered CSI drivers")]
pub struct NoDriver(String);

/// The drivers that are registered; a clone is of the same.
#[derive(Clone, Default)]
pub struct Drivers {
    known: watch::Sender<BTreeMap<String, Registered>>,
    metrics: VolumeMetrics,
}

impl Drivers {
    /// None is registered yet; what they are asked is counted there.
    pub fn new(metrics: VolumeMetrics) -> Self {
        Self {
            metrics,
            ..Self::default()
        }
    }

    /// Where it is counted what is done with volumes.
    pub(super) fn metrics(&self) -> &VolumeMetrics {
        &self.metrics
    }

    /// The driver that listens there.
    pub(super) fn at(&self, name: &str, endpoint: &Path) -> Driver {
        Driver::at(name, endpoint, self.metrics.clone())
    }

    /// A driver, which is waited for a little.
    pub(super) async fn find(&self, name: &str) -> Result<Driver, NoDriver> {
        let mut known = self.known.subscribe();
        let found = timeout(PATIENCE, known.wait_for(|all| all.contains_key(name))).await;
        let endpoint = match &found {
            Ok(Ok(all)) => all.get(name).map(|one| one.endpoint.clone()),
            Ok(Err(_)) | Err(_) => None,
        };
        let endpoint = endpoint.ok_or_else(|| NoDriver(name.to_owned()))?;
        Ok(self.at(name, &endpoint))
    }

    /// Waits a little until a driver is there.
    pub(crate) async fn wait(&self, name: &str) -> Result<(), NoDriver> {
        self.find(name).await.map(drop)
    }

    /// A driver that is there now.
    pub(super) fn now(&self, name: &str) -> Option<Driver> {
        let known = self.get(name)?;
        Some(self.at(name, &known.endpoint))
    }

    /// What is known of a driver.
    pub(super) fn get(&self, name: &str) -> Option<Registered> {
        self.known.borrow().get(name).cloned()
    }

    /// From now on it is there.
    pub(super) fn insert(&self, name: &str, driver: Registered) {
        self.known.send_if_modified(|all| {
            let before = all.insert(name.to_owned(), driver.clone());
            before.as_ref() != Some(&driver)
        });
    }

    /// Asks a driver once more what it can take here.
    pub(crate) async fn ask_again(&self, name: &str) -> Result<(), String> {
        let known = self.get(name);
        let known = known.ok_or_else(|| NoDriver(name.to_owned()).to_string())?;
        let info = self.at(name, &known.endpoint).node_info().await;
        let info = info.map_err(|error| error.to_string())?;
        self.known.send_if_modified(|all| match all.get_mut(name) {
            // Another one may have come meanwhile.
            Some(now) if now.socket == known.socket && !info.id.is_empty() => {
                let is_news = now.info != info;
                now.info = info;
                is_news
            }
            _ => false,
        });
        Ok(())
    }

    /// Whoever was found there is gone; its name.
    pub(super) fn remove(&self, socket: &Path) -> Option<String> {
        let mut name = None;
        self.known.send_if_modified(|all| {
            let mut of_socket = all.iter().filter(|(_, one)| one.socket == socket);
            name = of_socket.next().map(|(name, _)| name.clone());
            name.as_ref().is_some_and(|name| all.remove(name).is_some())
        });
        name
    }

    /// What drivers call the node, by driver, whenever one comes or goes.
    pub(crate) fn nodes(&self) -> BTreeMap<String, NodeInfo> {
        let all = self.known.borrow();
        let infos = all.iter();
        infos
            .map(|(name, one)| (name.clone(), one.info.clone()))
            .collect()
    }

    /// Is told when a driver comes or goes.
    pub(crate) fn changes(&self) -> Changes {
        Changes(self.known.subscribe())
    }

    /// Where the node is, for all drivers.
    pub(crate) fn topology(&self) -> StringMap {
        let all = self.known.borrow();
        all.values()
            .flat_map(|one| one.info.topology.clone())
            .collect()
    }
}

/// Waits for drivers to come or go.
pub(crate) struct Changes(watch::Receiver<BTreeMap<String, Registered>>);

impl Changes {
    /// Returns when one came or went. May be cancelled.
    pub(crate) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}
