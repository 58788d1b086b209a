//! Why something about the built-in network was not done.

use super::bridge::BridgeError;
use super::host_ports::{HostPortError, RecordError};
use super::pod::PodLinkError;
use super::pod_cidr::PodCidr;
use super::ranges::RangesError;
use super::reservations::{OpenReservationsError, UnreserveError};
use super::survey::Conflict;
use crate::model::SandboxId;

/// Why the network cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The reservations cannot be had.
    #[error("cannot open the pod network {cidr}")]
    Reservations {
        /// The pod CIDR.
        cidr: PodCidr,
        /// Why.
        source: OpenReservationsError,
    },
    /// The host ports cannot be had.
    #[error("cannot open the pod network {cidr}")]
    HostPorts {
        /// The pod CIDR.
        cidr: PodCidr,
        /// Why.
        source: RecordError,
    },
    /// The networks cannot be had.
    #[error("cannot open the pod network {cidr}")]
    Ranges {
        /// The pod CIDR.
        cidr: PodCidr,
        /// Why.
        source: RangesError,
    },
    /// A pod is in the way.
    #[error(transparent)]
    InTheWay(#[from] InTheWay),
    /// The bridge cannot be set up.
    #[error("cannot set up the pod network {cidr}")]
    Bridge {
        /// The pod CIDR.
        cidr: PodCidr,
        /// Why.
        source: BridgeError,
    },
}

/// Why a sandbox cannot be connected.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// None of the addresses is one that this network gives.
    #[error("sandbox {id} has no address of {cidr}")]
    Address {
        /// Which sandbox.
        id: String,
        /// The pod CIDR.
        cidr: PodCidr,
    },
    /// The bridge is gone and cannot be made again.
    #[error("cannot connect sandbox {id}")]
    Bridge {
        /// Which sandbox.
        id: String,
        /// Why.
        source: BridgeError,
    },
    /// Its interface cannot be set up.
    #[error("cannot connect sandbox {id}")]
    Link {
        /// Which sandbox.
        id: String,
        /// Why.
        source: PodLinkError,
    },
    /// Its host ports are not to be had.
    #[error("cannot open the host ports of sandbox {id}")]
    HostPort {
        /// Which sandbox.
        id: String,
        /// Why.
        source: HostPortError,
    },
    /// Its host ports cannot be recorded.
    #[error("cannot open the host ports of sandbox {id}")]
    Record {
        /// Which sandbox.
        id: String,
        /// Why.
        source: RecordError,
    },
}

/// Why a sandbox cannot be disconnected.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Its address cannot be given back.
    #[error(transparent)]
    Address(#[from] UnreserveError),
    /// Its host ports cannot be forgotten.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Its host ports cannot be closed.
    #[error("cannot close the host ports of sandbox {id}")]
    HostPorts {
        /// Which sandbox.
        id: String,
        /// Why.
        source: BridgeError,
    },
}

/// A pod has an address that means something in the network that new pods are to be in.
#[derive(Debug, thiserror::Error)]
#[error("{address} of pod CIDR {cidr} is not for pods, and sandbox {owner} has it")]
pub struct InTheWay {
    pub(super) address: std::net::IpAddr,
    pub(super) cidr: PodCidr,
    pub(super) owner: SandboxId,
}

/// Why another pod CIDR is not taken on. Everything is as it was.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The host's network has it.
    #[error("pod CIDR {cidr} cannot be used")]
    Conflict {
        /// The new pod CIDR.
        cidr: PodCidr,
        /// With what.
        source: Conflict,
    },
    /// A pod is in the way.
    #[error(transparent)]
    InTheWay(#[from] InTheWay),
    /// It cannot be remembered.
    #[error(transparent)]
    Ranges(#[from] RangesError),
    /// The bridge cannot have it.
    #[error("pod CIDR {cidr} cannot be set up")]
    Bridge {
        /// The new pod CIDR.
        cidr: PodCidr,
        /// Why.
        source: BridgeError,
    },
}
