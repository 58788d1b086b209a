//! A plugin that is registered: who it is, what it wants to hear, and how it is called.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use podling_proto::nri::{self as wire, Event};
use prost::Message;

use super::connection::{CallError, Connection, code};
use super::events::{self, EventMask};

/// The service that plugins serve.
const SERVICE: &str = "nri.pkg.api.v1alpha1.Plugin";

/// Who a plugin is. Plugins are called in the order of their indices.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    index: String,
    name: String,
}

/// Why a name or an index is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IdentityError {
    #[error("invalid plugin index {0:?}: it is two digits")]
    Index(String),
    #[error("invalid plugin name {0:?}: it is letters, digits and any of -_.+")]
    Name(String),
    #[error("invalid plugin name {0:?}: it is an index, '-' and a name")]
    File(String),
}

impl Identity {
    /// The identity that a plugin registers with.
    pub(super) fn new(index: &str, name: &str) -> Result<Self, IdentityError> {
        if index.len() != 2 || !index.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(IdentityError::Index(index.to_owned()));
        }
        let is_usual = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
        if name.is_empty() || !name.chars().all(is_usual) {
            return Err(IdentityError::Name(name.to_owned()));
        }
        Ok(Self {
            index: index.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The identity that the name of a program gives, as `10-name`.
    pub(super) fn of_file(file: &str) -> Result<Self, IdentityError> {
        match file.split_once('-') {
            Some((index, name)) => Self::new(index, name),
            None => Err(IdentityError::File(file.to_owned())),
        }
    }

    /// Two digits.
    pub(super) fn index(&self) -> &str {
        &self.index
    }

    /// The name without the index.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.index, self.name)
    }
}

/// What happened, for plugins that can only hear of it.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    /// What.
    pub(super) event: Event,
    /// The pod, or that of the container.
    pub(super) pod: wire::PodSandbox,
    /// The container, if it is about one.
    pub(super) container: Option<wire::Container>,
    /// What a pod is given now: for its overhead and for its containers.
    pub(super) pod_resources: Option<[Option<wire::LinuxResources>; 2]>,
}

impl Notice {
    /// The request of the event's method. All of one kind look the same.
    fn request(&self) -> Vec<u8> {
        let pod = Some(self.pod.clone());
        match (&self.pod_resources, &self.container) {
            (Some([overhead, containers]), _) => wire::UpdatePodSandboxRequest {
                pod,
                overhead_linux_resources: overhead.clone(),
                linux_resources: containers.clone(),
            }
            .encode_to_vec(),
            (None, Some(container)) => wire::StartContainerRequest {
                pod,
                container: Some(container.clone()),
            }
            .encode_to_vec(),
            (None, None) => wire::RunPodSandboxRequest { pod }.encode_to_vec(),
        }
    }

    fn state_change(&self) -> wire::StateChangeEvent {
        wire::StateChangeEvent {
            event: self.event.into(),
            pod: Some(self.pod.clone()),
            container: self.container.clone(),
        }
    }
}

/// A registered plugin.
#[derive(Debug)]
pub(super) struct Plugin {
    pub(super) identity: Identity,
    pub(super) connection: Connection,
    events: EventMask,
    limit: Duration,
    is_old: AtomicBool,
}

impl Plugin {
    pub(super) fn new(
        identity: Identity,
        connection: Connection,
        events: EventMask,
        limit: Duration,
    ) -> Self {
        Self {
            identity,
            connection,
            events,
            limit,
            is_old: AtomicBool::new(false),
        }
    }

    /// Whether it has subscribed to the event.
    pub(super) fn wants(&self, event: Event) -> bool {
        self.events.has(event)
    }

    /// Tells it what happened, if it wants to hear of it.
    pub(super) async fn notify(&self, notice: &Notice) -> Result<(), CallError> {
        if !self.wants(notice.event) {
            return Ok(());
        }
        let may_be_old = events::was_a_state_change(notice.event);
        if !(may_be_old && self.is_old.load(Ordering::Relaxed)) {
            let method = events::method(notice.event);
            match self.call_raw(method, notice.request()).await {
                Err(CallError::Refused { code, .. })
                    if code == code::UNIMPLEMENTED && may_be_old =>
                {
                    tracing::info!(plugin = %self.identity, method, "an NRI plugin without this method: it is told by StateChange");
                    self.is_old.store(true, Ordering::Relaxed);
                }
                outcome => return outcome.map(drop),
            }
        }
        let change = notice.state_change().encode_to_vec();
        self.call_raw("StateChange", change).await.map(drop)
    }

    /// Asks it what to do.
    pub(super) async fn ask<Answer: Message + Default>(
        &self,
        event: Event,
        request: &impl Message,
    ) -> Result<Answer, CallError> {
        let method = events::method(event);
        let answer = self.call_raw(method, request.encode_to_vec()).await?;
        Ok(Answer::decode(answer.as_slice())?)
    }

    /// Tells it what is there, in as many messages as that takes; gives the updates that it wants.
    pub(super) async fn synchronize(
        &self,
        requests: Vec<wire::SynchronizeRequest>,
    ) -> Result<Vec<wire::ContainerUpdate>, SynchronizeError> {
        let mut updates = Vec::new();
        for request in requests {
            let payload = request.encode_to_vec();
            let answer = self.call_raw("Synchronize", payload).await?;
            let answer =
                wire::SynchronizeResponse::decode(answer.as_slice()).map_err(CallError::Garbled)?;
            if request.more && !(answer.more && answer.update.is_empty()) {
                return Err(SynchronizeError::OneMessageOnly);
            }
            updates = answer.update;
        }
        Ok(updates)
    }

    /// Says that the runtime stops.
    pub(super) async fn say_goodbye(&self) {
        // Its connection ends in any case.
        let _ = self.call_raw("Shutdown", Vec::new()).await;
    }

    async fn call_raw(&self, method: &str, payload: Vec<u8>) -> Result<Vec<u8>, CallError> {
        call(&self.connection, method, payload, self.limit).await
    }
}

/// Why a plugin does not know what is there.
#[derive(Debug, thiserror::Error)]
pub(super) enum SynchronizeError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(
        "what is there does not fit into one message, and the plugin does not understand several"
    )]
    OneMessageOnly,
}

/// Calls a method of a plugin that may not be registered yet.
pub(super) async fn call(
    connection: &Connection,
    method: &str,
    payload: Vec<u8>,
    limit: Duration,
) -> Result<Vec<u8>, CallError> {
    connection.call(SERVICE, method, payload, limit).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_two_digits_and_a_name() {
        let identity = Identity::new("05", "a-b_c.d+e").unwrap();
        assert_eq!(identity.to_string(), "05-a-b_c.d+e");
        assert_eq!(Identity::of_file("05-a-b_c.d+e"), Ok(identity));
        for (index, name) in [
            ("5", "a"),
            ("005", "a"),
            ("ab", "a"),
            ("05", ""),
            ("05", "a/b"),
        ] {
            assert!(Identity::new(index, name).is_err(), "{index} {name}");
        }
        assert!(Identity::of_file("logger").is_err());
    }

    #[test]
    fn plugins_are_ordered_by_index_and_then_by_name() {
        let mut all = ["10-b", "90-a", "10-a"].map(|file| Identity::of_file(file).unwrap());
        all.sort();
        assert_eq!(all.map(|one| one.to_string()), ["10-a", "10-b", "90-a"]);
    }
}
