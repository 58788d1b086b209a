//! Another pod CIDR while pods run: new pods get addresses of it, those that are there keep theirs,
//! and a former network is left when its last pod has gone.
//!
//! ```text
//! refuse ─► record ─► bridge, NAT ─► reservations          (the last pod goes) ─► bridge, NAT ─► record
//!              └─ whatever fails or is killed from here on: the next start goes on, a failure goes back
//! ```

use super::bridge::{Bridge, BridgeError};
use super::error::{InTheWay, MoveError};
use super::ranges::{self, Ranges};
use super::reservations::Reservations;
use super::subnet::{Family, Subnet};
use super::{BridgeNetwork, PodCidr, ipv6};
use crate::failpoint;

impl BridgeNetwork {
    /// Gives new pods addresses of `cidr`, now and after every restart with the same flags.
    pub fn take_on(&self, cidr: PodCidr) -> Result<(), MoveError> {
        let mut ranges = self.ranges();
        if ranges.current() == cidr {
            return Ok(());
        }
        self.refuse(cidr)?;
        let next = ranges.moved_to(cidr);
        ranges::save(&self.state_dir, &next)?;
        failpoint::reach("pod_cidr.recorded");
        if let Err(source) = self.span(&next) {
            self.go_back(&ranges, &next);
            return Err(MoveError::Bridge { cidr, source });
        }
        failpoint::reach("pod_cidr.spanned");
        self.reservations().give_from(cidr, next.set_apart());
        tracing::info!(before = %ranges.current(), now = %cidr, "pods get other addresses");
        *ranges = next;
        drop(ranges);
        self.leave_former();
        Ok(())
    }

    fn refuse(&self, cidr: PodCidr) -> Result<(), MoveError> {
        let failed = |source| MoveError::Bridge { cidr, source };
        if cidr.subnets().any(|subnet| subnet.family() == Family::Ipv6) {
            ipv6::check().map_err(|source| failed(source.into()))?;
        }
        refuse_in_the_way(&self.reservations(), cidr)?;
        match self.bridge().conflict(cidr).map_err(failed)? {
            Some(source) => Err(MoveError::Conflict { cidr, source }),
            None => Ok(()),
        }
    }

    fn span(&self, ranges: &Ranges) -> Result<(), BridgeError> {
        let ports = self.host_ports().all();
        self.bridge().span(ranges.all(), &ports)
    }

    /// As it was before `next` was tried.
    fn go_back(&self, before: &Ranges, next: &Ranges) {
        let all = before.all();
        let mut new = next.all();
        new.retain(|subnet| !all.contains(subnet));
        self.leave(&new, before)
            .unwrap_or_else(|error| tell(&error));
        ranges::save(&self.state_dir, before).unwrap_or_else(|error| tell(&error));
    }

    fn leave(&self, gone: &[Subnet], remaining: &Ranges) -> Result<(), BridgeError> {
        let ports = self.host_ports().all();
        self.bridge().leave(gone, remaining.all(), &ports)
    }

    /// Leaves the former networks that no pod has an address of. What fails is tried again when the
    /// next pod goes, and at the next start.
    pub(super) fn leave_former(&self) {
        let mut ranges = self.ranges();
        let unused = unused(&self.reservations(), &ranges);
        if unused.is_empty() {
            return;
        }
        if let Err(error) = self.leave_unused(&mut ranges, &unused) {
            tell(&error);
        }
    }

    fn leave_unused(&self, ranges: &mut Ranges, unused: &[Subnet]) -> Result<(), MoveError> {
        let next = ranges.without(unused);
        let cidr = next.current();
        let left = self.leave(unused, &next);
        left.map_err(|source| MoveError::Bridge { cidr, source })?;
        failpoint::reach("pod_cidr.left");
        ranges::save(&self.state_dir, &next)?;
        self.reservations().give_from(cidr, next.set_apart());
        tracing::info!(networks = ?unused, "the last pods of former networks have gone");
        *ranges = next;
        Ok(())
    }
}

/// Former networks that no pod has an address of.
pub(super) fn unused(reservations: &Reservations, ranges: &Ranges) -> Vec<Subnet> {
    let used: Vec<Subnet> = reservations
        .all()
        .filter_map(|address| ranges.network_of(address))
        .collect();
    let former = ranges.former().iter().copied();
    former.filter(|subnet| !used.contains(subnet)).collect()
}

/// Nobody may have what becomes a gateway or a broadcast address.
pub(super) fn refuse_in_the_way(
    reservations: &Reservations,
    cidr: PodCidr,
) -> Result<(), InTheWay> {
    let gateways = cidr.gateways().into_iter();
    let broadcasts = cidr.subnets().filter_map(|subnet| subnet.broadcast());
    let mut meant = gateways.chain(broadcasts.map(Into::into));
    let found = meant.find_map(|address| Some((address, reservations.owner_of(address)?)));
    match found {
        Some((address, owner)) => Err(InTheWay {
            address,
            cidr,
            owner: owner.clone(),
        }),
        None => Ok(()),
    }
}

/// A start goes on: pods may be there already, and know no better.
pub(super) fn warn_of_conflict(bridge: &mut Bridge, cidr: PodCidr) {
    match bridge.conflict(cidr) {
        Ok(None) => {}
        Ok(Some(conflict)) => tracing::warn!("{conflict}: one of them will not be reached"),
        Err(error) => tell(&error),
    }
}

fn tell(error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(error, "the networks of pods are not as they should be");
}
