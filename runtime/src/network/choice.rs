//! Which network pods get: a CNI network when there is a configuration, else the built-in bridge.
//!
//! It is looked for each time a pod is attached, so what an administrator puts into the directory of
//! configurations counts from the next pod on. Whoever is attached stays as he is, and is let go by
//! what attached him.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::cni::{Chosen, CniError, CniNetworks, CniSettings, Configured, RefusedWish};
use super::request::{AttachRequest, Wishes};
use super::{
    AttachError, BridgeError, BridgeNetwork, BridgeSettings, InvalidPodCidr, MoveError, NotReady,
    OpenError, ReleaseError, ReserveError,
};
use crate::model::SandboxId;

/// What the networks of a node are made from.
#[derive(Clone, Debug)]
pub struct NetworkSettings {
    /// The built-in bridge.
    pub bridge: BridgeSettings,
    /// CNI networks.
    pub cni: CniSettings,
    /// When those are used.
    pub use_cni: UseCni,
}

/// When pods are attached to a CNI network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseCni {
    /// When there is a configuration.
    WhenConfigured,
    /// Always: without a configuration the network is not ready.
    Always,
}

/// Why something about a pod's network was not done.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Of a CNI network.
    #[error(transparent)]
    Cni(#[from] CniError),
    /// The bridge cannot be set up.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no address.
    #[error(transparent)]
    Reserve(#[from] ReserveError),
    /// The pod has ended before it was attached.
    #[error("open the pod's network namespace")]
    Namespace(#[source] io::Error),
    /// It cannot be connected to the bridge.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// Its address cannot be given back.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// The bridge cannot be removed.
    #[error(transparent)]
    Remove(#[from] BridgeError),
    /// Pods cannot have such addresses.
    #[error("pod CIDR {asked:?} cannot be used")]
    Cidr {
        /// What a client wants.
        asked: String,
        /// Why.
        source: InvalidPodCidr,
    },
    /// Pods on the bridge cannot have them.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// The network cannot give the pod what it wants.
    #[error(transparent)]
    Wish(#[from] RefusedWish),
}

impl NetworkError {
    /// Whether the request itself is what is wrong.
    pub fn is_refusal(&self) -> bool {
        let is_wish = matches!(self, Self::Wish(_) | Self::Cni(CniError::Wish(_)));
        is_wish || matches!(self, Self::Cidr { .. })
    }
}

/// What is set apart for a pod before it is attached.
#[derive(Debug)]
pub enum Reserved {
    /// Addresses on the bridge.
    Bridge(Arc<BridgeNetwork>, Vec<IpAddr>),
    /// The configuration that was found.
    Cni(Box<Chosen>),
}

impl Reserved {
    /// The addresses that are known already.
    pub fn addresses(&self) -> &[IpAddr] {
        match self {
            Self::Bridge(_, addresses) => addresses,
            Self::Cni(_) => &[],
        }
    }
}

/// How the network of a node is.
#[derive(Debug)]
pub struct NetworkStatus {
    /// Whether pods can be attached.
    pub readiness: Readiness,
    /// The CNI configuration as containerd shows it.
    pub cni_config: Value,
    /// `OK`, or what is wrong with the directory of configurations.
    pub cni_load_status: String,
}

/// Whether pods can be attached.
#[derive(Debug, PartialEq, Eq)]
pub enum Readiness {
    /// They can; an empty remark says that nothing is to be said.
    Ready {
        /// What an administrator should know.
        remark: String,
    },
    /// They cannot.
    NotReady {
        /// In one word.
        reason: &'static str,
        /// In a sentence.
        message: String,
    },
}

/// The network that counts at one moment.
enum Choice {
    Bridge,
    Cni(Box<Chosen>, String),
    Nothing(String),
}

/// The networks of a node.
#[derive(Debug)]
pub struct PodNetwork {
    settings: BridgeSettings,
    use_cni: UseCni,
    cni: CniNetworks,
    // Made when the first pod needs it: a node with a CNI network has no use for a bridge.
    bridge: Mutex<Option<Arc<BridgeNetwork>>>,
}

impl PodNetwork {
    /// Opens what is needed: the bridge when pods are, or are to be, on it.
    pub fn open(settings: NetworkSettings) -> Result<Self, NetworkError> {
        let network = Self {
            settings: settings.bridge,
            use_cni: settings.use_cni,
            cni: CniNetworks::open(settings.cni)?,
            bridge: Mutex::default(),
        };
        if network.has_reservations() || matches!(network.choose()?, Choice::Bridge) {
            network.bridge()?;
        }
        Ok(network)
    }

    fn has_reservations(&self) -> bool {
        let entries = fs::read_dir(self.settings.state_dir.join("addresses"));
        entries.is_ok_and(|mut entries| entries.next().is_some())
    }

    /// Whether a pod can have what it wants; asked before anything of it exists.
    pub fn accept(&self, id: &SandboxId, wishes: &Wishes) -> Result<(), NetworkError> {
        match self.choose()? {
            Choice::Cni(network, _) => Ok(self.cni.accept(&network, id, wishes)?),
            Choice::Nothing(why) => Err(CniError::NoNetwork(why).into()),
            Choice::Bridge => Ok(()),
        }
    }

    /// Has new pods get addresses of `cidr`. A CNI network has a word of its own in that, so with one
    /// nothing comes of it. Blocks.
    pub fn take_on(&self, cidr: &str) -> Result<(), NetworkError> {
        let parsed = cidr.parse().map_err(|source| NetworkError::Cidr {
            asked: cidr.to_owned(),
            source,
        })?;
        match self.choose()? {
            Choice::Bridge => Ok(self.bridge()?.take_on(parsed)?),
            Choice::Cni(..) | Choice::Nothing(_) => Ok(()),
        }
    }

    /// Sets apart what a pod will need.
    pub fn reserve(&self, id: &SandboxId) -> Result<Reserved, NetworkError> {
        match self.choose()? {
            Choice::Bridge => {
                let bridge = self.bridge()?;
                let addresses = bridge.reserve(id)?;
                Ok(Reserved::Bridge(bridge, addresses))
            }
            Choice::Cni(network, _) => Ok(Reserved::Cni(network)),
            Choice::Nothing(why) => Err(CniError::NoNetwork(why).into()),
        }
    }

    /// Attaches a pod and returns its addresses, primary first. On an error it may be attached in
    /// part; [`detach`](Self::detach) and [`release`](Self::release) undo that. Blocks.
    pub fn attach(
        &self,
        reserved: Reserved,
        request: &AttachRequest,
    ) -> Result<Vec<IpAddr>, NetworkError> {
        match reserved {
            Reserved::Bridge(bridge, addresses) => {
                let netns = File::open(format!("/proc/{}/ns/net", request.pause_pid))
                    .map_err(NetworkError::Namespace)?;
                let ports = &request.wishes.port_mappings;
                bridge.attach(&request.id, netns.as_fd(), &addresses, ports)?;
                Ok(addresses)
            }
            Reserved::Cni(network) => Ok(self.cni.attach(&network, request)?),
        }
    }

    /// Whether [`detach`](Self::detach) has anything to do.
    pub fn needs_detaching(&self, id: &SandboxId) -> Result<bool, NetworkError> {
        Ok(self.cni.is_attached(id)?)
    }

    /// Has plugins let go of a pod, best while its network namespace is there. May be repeated.
    /// Blocks.
    pub fn detach(&self, id: &SandboxId) -> Result<(), NetworkError> {
        Ok(self.cni.detach(id)?)
    }

    /// Gives the addresses of a pod on the bridge back. Its processes must be gone.
    pub fn release(&self, id: &SandboxId) -> Result<(), NetworkError> {
        match self.opened_bridge() {
            Some(bridge) => Ok(bridge.release(id)?),
            None => Ok(()),
        }
    }

    /// Takes the network from every sandbox that is not `live`, and names those that still had it.
    /// Blocks.
    pub fn retain(&self, live: &BTreeSet<SandboxId>) -> Result<Vec<SandboxId>, NetworkError> {
        let mut freed = self.cni.retain(live)?;
        if let Some(bridge) = self.opened_bridge() {
            freed.extend(bridge.retain(live)?);
        }
        Ok(freed)
    }

    /// Tells, in the log, of attached pods whose network is not as it was made. Blocks.
    pub fn check_all(&self) -> Result<(), NetworkError> {
        Ok(self.cni.check_all()?)
    }

    /// How the network is now. Blocks.
    pub fn status(&self) -> NetworkStatus {
        match self.choose() {
            Ok(Choice::Bridge) => {
                let dir = self.cni.conf_dir().display();
                NetworkStatus {
                    readiness: self.bridge_readiness(),
                    cni_config: self.cni.describe(None),
                    cni_load_status: format!(
                        "no network configuration in {dir}: the built-in bridge is used"
                    ),
                }
            }
            Ok(Choice::Cni(network, remark)) => NetworkStatus {
                cni_config: self.cni.describe(Some(&network)),
                readiness: self.cni_readiness(&network, remark),
                cni_load_status: "OK".to_owned(),
            },
            Ok(Choice::Nothing(why)) => self.without_cni(why),
            Err(error) => self.without_cni(chain(&error)),
        }
    }

    fn without_cni(&self, why: String) -> NetworkStatus {
        NetworkStatus {
            cni_config: self.cni.describe(None),
            cni_load_status: why.clone(),
            readiness: no_plugin(why),
        }
    }

    fn bridge_readiness(&self) -> Readiness {
        let not_ready = |error: &dyn std::error::Error| Readiness::NotReady {
            reason: "NetworkNotReady",
            message: chain(error),
        };
        let bridge = match self.bridge() {
            Ok(bridge) => bridge,
            Err(error) => return not_ready(&error),
        };
        match mended(&bridge) {
            Ok(remark) => Readiness::Ready { remark },
            // Pods may live without the outside.
            Err(error @ NotReady::Firewall(_)) => Readiness::Ready {
                remark: error.to_string(),
            },
            Err(error) => not_ready(&error),
        }
    }

    fn cni_readiness(&self, network: &Chosen, remark: String) -> Readiness {
        match self.cni.look(network) {
            Ok(()) => Readiness::Ready { remark },
            Err(error) => no_plugin(chain(&error)),
        }
    }

    /// Makes again what others have taken from the bridge, if this node has one; whether all of it is
    /// there then. Blocks.
    pub fn mend(&self) -> bool {
        let bridge = self.opened_bridge();
        bridge.is_none_or(|bridge| mended(&bridge).is_ok())
    }

    /// Ends plugins that run; from now on none is run.
    pub fn stop(&self) {
        self.cni.stop();
    }

    /// Removes the bridge, if this node has one.
    pub fn tear_down(&self) -> Result<(), NetworkError> {
        match self.opened_bridge() {
            Some(bridge) => Ok(bridge.tear_down()?),
            None => Ok(()),
        }
    }

    fn choose(&self) -> Result<Choice, CniError> {
        let dir = self.cni.conf_dir().display();
        Ok(match (self.cni.configured()?, self.use_cni) {
            (Configured::Network(network, broken), _) => Choice::Cni(network, ignored(&broken)),
            (Configured::Broken(files), _) => Choice::Nothing(format!(
                "no valid network configuration in {dir}: {}",
                files.join("; ")
            )),
            (Configured::Nothing, UseCni::WhenConfigured) => Choice::Bridge,
            (Configured::Nothing, UseCni::Always) => {
                Choice::Nothing(format!("no network configuration in {dir}"))
            }
        })
    }

    fn bridge(&self) -> Result<Arc<BridgeNetwork>, OpenError> {
        let mut bridge = self.bridge.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bridge) = &*bridge {
            return Ok(Arc::clone(bridge));
        }
        let opened = Arc::new(BridgeNetwork::open(self.settings.clone())?);
        *bridge = Some(Arc::clone(&opened));
        Ok(opened)
    }

    fn opened_bridge(&self) -> Option<Arc<BridgeNetwork>> {
        let bridge = self.bridge.lock().unwrap_or_else(PoisonError::into_inner);
        bridge.clone()
    }
}

/// Looks at the bridge, and makes again what others have taken away.
fn mended(bridge: &BridgeNetwork) -> Result<String, NotReady> {
    let missing = match bridge.ready() {
        Err(missing) => missing,
        ready => return ready,
    };
    if let Err(error) = bridge.repair() {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(%missing, error, "the pod network cannot be repaired");
        return Err(missing);
    }
    let ready = bridge.ready();
    if ready.is_ok() {
        tracing::warn!(%missing, "the pod network was repaired");
    }
    ready
}

fn ignored(broken: &[String]) -> String {
    match broken {
        [] => String::new(),
        files => format!("ignored: {}", files.join("; ")),
    }
}

fn no_plugin(message: String) -> Readiness {
    Readiness::NotReady {
        reason: "NetworkPluginNotReady",
        message,
    }
}

/// An error and all its sources in one sentence.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |source| source.source());
    sources.fold(error.to_string(), |text, source| {
        format!("{text}: {source}")
    })
}
