//! The node as a v1 Node: what it has, what it is, and how it does.
//!
//! ```text
//! facts (read when asked) ─┐
//! configuration ───────────┼─► object (pure) ─► /node
//! pulse ───────────────────┘
//! ```

mod addresses;
mod facts;
mod images;
mod object;
mod pressure;
mod reserve;
mod room;
mod testimony;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::debug;

pub(crate) use addresses::AddressBook;
pub(crate) use facts::huge_pages;
pub use object::VERSION;
pub(crate) use object::binary;
pub use reserve::Reserve;

use crate::admit::{AppArmor, GroupPolicies, NodeFacts};
use crate::allocation::ResizeRules;
use crate::cri::Runtime;
use crate::device::Desk;
use crate::evict::Standing;
use crate::pulse::Pulse;
use crate::shutdown::Machine;

use testimony::{LastWord, Testimony};

/// What of a node does not change while its kubelet runs.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Its addresses, the primary first.
    pub addresses: watch::Receiver<Vec<IpAddr>>,
    /// Where the kubelet's files are.
    pub root: PathBuf,
    /// Labels beside those that every node has.
    pub labels: Vec<(String, String)>,
    /// The port with TLS.
    pub port: Option<u16>,
    /// What is kept from pods.
    pub reserve: Reserve,
    /// What the node is short of.
    pub standing: watch::Receiver<Standing>,
    /// How many images are listed; all without a number.
    pub most_images: Option<usize>,
    /// Features that whoever places or changes pods may count on, in order; none when it shall not say.
    pub declared: Option<Vec<&'static str>>,
}

impl Identity {
    /// The node as pods are let in to it.
    pub fn for_admission(&self, allowed_unsafe_sysctls: &[String]) -> NodeFacts {
        let facts = facts::read(&self.root, String::new());
        NodeFacts {
            name: self.name.clone(),
            labels: object::labels(self, &facts),
            allocatable: room::allocatable(&self.reserve, &facts),
            pods: self.reserve.pods(facts.cpus),
            allowed_unsafe_sysctls: allowed_unsafe_sysctls.to_vec(),
            groups: GroupPolicies::All,
            pressures: self.standing.borrow().pressures().clone(),
            machine: Machine::Stays,
            declared: self.declared.clone(),
            resizing: ResizeRules::default(),
            app_armor: if facts.app_armor {
                AppArmor::Enforced
            } else {
                AppArmor::Absent
            },
        }
    }
}

impl Identity {
    /// What is kept from pods, of which the machine has less: upstream's sentences, none if all is well.
    pub fn excess(&self) -> Vec<String> {
        let facts = facts::read(&self.root, String::new());
        self.reserve.excess((facts.cpus, facts.memory, facts.disk))
    }
}

/// Tells what the node is, when somebody asks.
pub struct Portrait {
    identity: Identity,
    runtime: Arc<dyn Runtime>,
    pulse: Pulse,
    devices: Arc<Desk>,
    began: Timestamp,
    last_word: Mutex<LastWord>,
}

impl Portrait {
    /// A portrait of this node.
    pub fn new(
        identity: Identity,
        runtime: Arc<dyn Runtime>,
        pulse: Pulse,
        devices: Arc<Desk>,
    ) -> Self {
        Self {
            identity,
            runtime,
            pulse,
            devices,
            began: Timestamp::now(),
            last_word: Mutex::default(),
        }
    }

    /// The v1 Node of this moment.
    pub(crate) async fn object(&self) -> Value {
        let now = Timestamp::now();
        let mut troubles: Vec<String> = self
            .pulse
            .checks()
            .into_iter()
            .filter_map(|check| check.problem)
            .collect();
        let Testimony {
            version,
            troubles: of_runtime,
            images,
            features,
        } = self.testimony().await;
        troubles.extend(of_runtime);
        if self.identity.standing.borrow().machine == Machine::GoesDown {
            troubles.push("node is shutting down".to_owned());
        }
        let mut facts = facts::read(&self.identity.root, version);
        facts.devices = self.devices.counts();
        let mut object = object::node(&self.identity, &facts, &troubles, self.began, now);
        let conditions = &mut object["status"]["conditions"];
        pressure::tell(conditions, &self.identity.standing.borrow());
        object["status"]["images"] = images::listed(images, self.identity.most_images).into();
        if let Some(features) = features {
            object::tell_features(&mut object["status"], &features);
        }
        object
    }

    /// What the runtime says, or has said lately.
    async fn testimony(&self) -> Testimony {
        let heard = Testimony::of(self.runtime.as_ref()).await;
        let heard =
            heard.inspect_err(|error| debug!(%error, "the runtime does not say how it does"));
        let mut last = self
            .last_word
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        last.counting(heard.ok(), Instant::now())
    }
}
