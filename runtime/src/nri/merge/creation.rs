//! A container that is being made, on its way through the plugins.

use podling_proto::nri as wire;

use super::lists::Turn;
use super::owners::Owners;
use super::updates::{Changes, Updates};
use super::{MergeError, adjustment};

/// What all plugins want so far.
#[derive(Debug)]
pub(in crate::nri) struct Creation {
    request: wire::CreateContainerRequest,
    adjustment: wire::ContainerAdjustment,
    owners: Owners,
    updates: Updates,
    evictions: Vec<wire::ContainerEviction>,
}

/// What all plugins want.
#[derive(Debug, PartialEq)]
pub(in crate::nri) struct Merged {
    /// Of the container.
    pub(in crate::nri) adjustment: wire::ContainerAdjustment,
    /// Of others.
    pub(in crate::nri) changes: Changes,
}

impl Creation {
    /// Begins with what the client asks for.
    pub(in crate::nri) fn begin(request: wire::CreateContainerRequest) -> Self {
        Self {
            request,
            adjustment: wire::ContainerAdjustment::default(),
            owners: Owners::default(),
            updates: Updates::default(),
            evictions: Vec::new(),
        }
    }

    /// The request as the next plugin sees it.
    pub(in crate::nri) fn request(&self) -> &wire::CreateContainerRequest {
        &self.request
    }

    /// Takes in what a plugin answers.
    pub(in crate::nri) fn take(
        &mut self,
        answer: wire::CreateContainerResponse,
        plugin: &str,
    ) -> Result<(), MergeError> {
        let container = self.request.container.get_or_insert_default();
        let id = container.id.clone();
        let of_the_new = |update: &wire::ContainerUpdate| update.container_id == id;
        if answer.update.iter().any(of_the_new) {
            return Err(MergeError::UpdateOfTheNew {
                plugin: plugin.to_owned(),
                id,
            });
        }
        if let Some(wanted) = answer.adjust {
            let mut turn = Turn {
                owners: &mut self.owners,
                id: &id,
                plugin,
            };
            adjustment::take(&mut turn, wanted, &mut self.adjustment, container)?;
        }
        self.updates.take(answer.update, plugin, &mut self.owners)?;
        self.evictions.extend(answer.evict);
        Ok(())
    }

    /// What validators are asked, of the container as it was before any plugin had a say.
    pub(in crate::nri) fn validation(
        &self,
        pristine: Option<wire::Container>,
        plugins: Vec<wire::PluginInstance>,
    ) -> wire::ValidateContainerAdjustmentRequest {
        wire::ValidateContainerAdjustmentRequest {
            pod: self.request.pod.clone(),
            container: pristine,
            adjust: Some(self.adjustment.clone()),
            update: self.updates.all(),
            owners: Some(self.owners.told()),
            plugins,
        }
    }

    /// What all want.
    pub(in crate::nri) fn finish(self) -> Merged {
        Merged {
            adjustment: self.adjustment,
            changes: Changes {
                updates: self.updates.all(),
                evictions: self.evictions,
            },
        }
    }
}
