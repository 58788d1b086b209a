//! The questions that plugins answer: each is asked one after the other, and sees what those before it
//! have answered.

use podling_proto::nri::{self as wire, Event};

use super::{Hub, Subject, fatal_or, refusal};
use crate::nri::apply::Adjustment;
use crate::nri::error::NriError;
use crate::nri::merge::{Creation, Updating};

impl Hub {
    /// What is to be made of a container that is being made.
    pub(super) async fn create(&mut self, subject: Subject) -> Result<Adjustment, NriError> {
        let event = Event::CreateContainer;
        let Subject { pod, container } = subject;
        self.ledger.made(&container.id);
        let has_validators = self
            .plugins
            .iter()
            .any(|plugin| plugin.wants(Event::ValidateContainerAdjustment));
        let pristine = has_validators.then(|| container.clone());
        let mut creation = Creation::begin(wire::CreateContainerRequest {
            pod: Some(pod),
            container: Some(container),
        });
        for plugin in self.plugins.clone() {
            if !plugin.wants(event) {
                continue;
            }
            match plugin.ask(event, creation.request()).await {
                Ok(answer) => creation.take(answer, &plugin.identity.to_string())?,
                Err(error) => fatal_or(&plugin, event, error)?,
            }
        }
        self.validate(&creation, pristine).await?;
        let merged = creation.finish();
        self.change(merged.changes);
        Ok(Adjustment(merged.adjustment))
    }

    /// Asks those who have the last word.
    async fn validate(
        &self,
        creation: &Creation,
        pristine: Option<wire::Container>,
    ) -> Result<(), NriError> {
        let event = Event::ValidateContainerAdjustment;
        let there = || {
            self.plugins
                .iter()
                .filter(|one| !one.connection.is_closed())
        };
        let asked = there().map(|plugin| wire::PluginInstance {
            name: plugin.identity.name().to_owned(),
            index: plugin.identity.index().to_owned(),
        });
        let validators: Vec<_> = there().filter(|one| one.wants(event)).collect();
        if validators.is_empty() {
            return Ok(());
        }
        let request = creation.validation(pristine, asked.collect());
        for plugin in validators {
            let answer: Result<wire::ValidateContainerAdjustmentResponse, _> =
                plugin.ask(event, &request).await;
            match answer {
                Ok(answer) if answer.reject => {
                    return Err(NriError::Rejected {
                        plugin: plugin.identity.to_string(),
                        reason: match answer.reason.as_str() {
                            "" => "unknown rejection reason".to_owned(),
                            reason => reason.to_owned(),
                        },
                    });
                }
                Ok(_) => {}
                // Unlike others, one that is to say yes cannot be passed over.
                Err(error) => {
                    if error.is_fatal() {
                        plugin.connection.close();
                    }
                    return Err(refusal(plugin, event, error));
                }
            }
        }
        Ok(())
    }

    /// Which limits a container gets in the end; `None` when no plugin has a say.
    pub(super) async fn update(
        &mut self,
        subject: Subject,
        resources: wire::LinuxResources,
    ) -> Result<Option<wire::LinuxResources>, NriError> {
        let event = Event::UpdateContainer;
        let mut updating = Updating::begin(wire::UpdateContainerRequest {
            pod: Some(subject.pod),
            container: Some(subject.container),
            linux_resources: Some(resources),
        });
        for plugin in self.plugins.clone() {
            if !plugin.wants(event) {
                continue;
            }
            match plugin.ask(event, updating.request()).await {
                Ok(answer) => updating.take(answer, &plugin.identity.to_string())?,
                Err(error) => fatal_or(&plugin, event, error)?,
            }
        }
        let (limits, changes) = updating.finish();
        self.change(changes);
        Ok(limits)
    }

    /// Tells, once, that a container has ended.
    pub(super) async fn stop(&mut self, subject: Subject) -> Result<(), NriError> {
        let event = Event::StopContainer;
        if !self.ledger.ended(&subject.container.id) {
            return Ok(());
        }
        let request = wire::StopContainerRequest {
            pod: Some(subject.pod),
            container: Some(subject.container),
        };
        let mut updating = Updating::begin(wire::UpdateContainerRequest::default());
        for plugin in self.plugins.clone() {
            if !plugin.wants(event) {
                continue;
            }
            let answer: Result<wire::StopContainerResponse, _> = plugin.ask(event, &request).await;
            match answer {
                Ok(answer) => {
                    let answer = wire::UpdateContainerResponse {
                        update: answer.update,
                        evict: Vec::new(),
                    };
                    updating.take(answer, &plugin.identity.to_string())?;
                }
                Err(error) => fatal_or(&plugin, event, error)?,
            }
        }
        self.change(updating.finish().1);
        Ok(())
    }
}
