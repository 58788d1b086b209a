//! What plugins want of containers that are there.

use std::collections::BTreeMap;

use podling_proto::nri as wire;

use super::MergeError;
use super::lists::Turn;
use super::owners::Owners;
use super::resources;

/// Changes of other containers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::nri) struct Changes {
    /// New limits, one a container, in the order in which they were first asked for.
    pub(in crate::nri) updates: Vec<wire::ContainerUpdate>,
    /// Containers that are to end.
    pub(in crate::nri) evictions: Vec<wire::ContainerEviction>,
}

impl Changes {
    /// Whether nobody wants anything.
    pub(in crate::nri) fn is_empty(&self) -> bool {
        self.updates.is_empty() && self.evictions.is_empty()
    }
}

/// Updates that several plugins ask for, put together.
#[derive(Debug, Default)]
pub(super) struct Updates {
    order: Vec<String>,
    by_id: BTreeMap<String, wire::ContainerUpdate>,
}

impl Updates {
    /// Takes the updates of one plugin in. What conflicts fails the whole, unless its plugin says
    /// that it may be left out.
    pub(super) fn take(
        &mut self,
        wanted: Vec<wire::ContainerUpdate>,
        plugin: &str,
        owners: &mut Owners,
    ) -> Result<(), MergeError> {
        for update in wanted {
            let mut claimed = owners.clone();
            let mut turn = Turn {
                owners: &mut claimed,
                id: &update.container_id,
                plugin,
            };
            let limits = limits(&update);
            match resources::claim(&mut turn, &limits) {
                Err(_) if update.ignore_failure => continue,
                outcome => outcome?,
            }
            *owners = claimed;
            self.add(update, &limits);
        }
        Ok(())
    }

    fn add(&mut self, update: wire::ContainerUpdate, limits: &wire::LinuxResources) {
        let id = update.container_id.clone();
        match self.by_id.get_mut(&id) {
            Some(known) => {
                known.ignore_failure &= update.ignore_failure;
                let linux = known.linux.get_or_insert_default();
                resources::overlay(limits, linux.resources.get_or_insert_default());
            }
            None => {
                self.order.push(id.clone());
                self.by_id.insert(id, update);
            }
        }
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, id: &str) -> Option<wire::ContainerUpdate> {
        self.order.retain(|known| known != id);
        self.by_id.remove(id)
    }

    /// All, in order.
    pub(super) fn all(&self) -> Vec<wire::ContainerUpdate> {
        let ids = self.order.iter();
        ids.filter_map(|id| self.by_id.get(id).cloned()).collect()
    }
}

fn limits(update: &wire::ContainerUpdate) -> wire::LinuxResources {
    let linux = update.linux.as_ref();
    linux
        .and_then(|linux| linux.resources.clone())
        .unwrap_or_default()
}

/// An update that a client asks for, on its way through the plugins; also what they want of others
/// when a container has ended.
#[derive(Debug)]
pub(in crate::nri) struct Updating {
    request: wire::UpdateContainerRequest,
    owners: Owners,
    updates: Updates,
    evictions: Vec<wire::ContainerEviction>,
}

impl Updating {
    /// Begins with what the client asks for.
    pub(in crate::nri) fn begin(request: wire::UpdateContainerRequest) -> Self {
        Self {
            request,
            owners: Owners::default(),
            updates: Updates::default(),
            evictions: Vec::new(),
        }
    }

    /// The request as the next plugin sees it.
    pub(in crate::nri) fn request(&self) -> &wire::UpdateContainerRequest {
        &self.request
    }

    /// Takes in what a plugin answers.
    pub(in crate::nri) fn take(
        &mut self,
        answer: wire::UpdateContainerResponse,
        plugin: &str,
    ) -> Result<(), MergeError> {
        self.updates.take(answer.update, plugin, &mut self.owners)?;
        self.evictions.extend(answer.evict);
        let id = self.id();
        if let Some(own) = self.updates.by_id.get(&id) {
            let wanted = limits(own);
            let asked = self.request.linux_resources.get_or_insert_default();
            resources::overlay(&wanted, asked);
        }
        Ok(())
    }

    /// The limits that the container is to have, if a plugin had a say; and what is to become of
    /// others.
    pub(in crate::nri) fn finish(mut self) -> (Option<wire::LinuxResources>, Changes) {
        let id = self.id();
        let own = self.updates.remove(&id);
        let limits = own.and(self.request.linux_resources);
        let changes = Changes {
            updates: self.updates.all(),
            evictions: self.evictions,
        };
        (limits, changes)
    }

    fn id(&self) -> String {
        let container = self.request.container.as_ref();
        container
            .map(|container| container.id.clone())
            .unwrap_or_default()
    }
}
