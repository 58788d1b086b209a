//! Capabilities by number, and the part of a spec's sets that this process can give.
#![deny(clippy::disallowed_methods)]

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities};

use crate::model::process::CapabilityMasks;

use Capability as C;

/// Every capability, at the place of its number (linux/capability.h).
const BY_NUMBER: [Capability; 41] = [
    C::Chown,
    C::DacOverride,
    C::DacReadSearch,
    C::Fowner,
    C::Fsetid,
    C::Kill,
    C::Setgid,
    C::Setuid,
    C::Setpcap,
    C::LinuxImmutable,
    C::NetBindService,
    C::NetBroadcast,
    C::NetAdmin,
    C::NetRaw,
    C::IpcLock,
    C::IpcOwner,
    C::SysModule,
    C::SysRawio,
    C::SysChroot,
    C::SysPtrace,
    C::SysPacct,
    C::SysAdmin,
    C::SysBoot,
    C::SysNice,
    C::SysResource,
    C::SysTime,
    C::SysTtyConfig,
    C::Mknod,
    C::Lease,
    C::AuditWrite,
    C::AuditControl,
    C::Setfcap,
    C::MacOverride,
    C::MacAdmin,
    C::Syslog,
    C::WakeAlarm,
    C::BlockSuspend,
    C::AuditRead,
    C::Perfmon,
    C::Bpf,
    C::CheckpointRestore,
];

/// Number of CAP_SYS_RESOURCE.
pub(super) const SYS_RESOURCE: u32 = 24;

/// Takes out what lies outside of `bounding`: asking for it would be EPERM.
pub(super) fn limit(capabilities: &mut LinuxCapabilities, bounding: u64) {
    let limited = |set: &Option<Capabilities>| -> Option<Capabilities> {
        let within = |capability: &&Capability| {
            let number = BY_NUMBER.iter().position(|other| other == *capability);
            number.is_some_and(|number| bounding & (1 << number) != 0)
        };
        set.as_ref()
            .map(|set| set.iter().filter(within).copied().collect())
    };
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(limited(capabilities.bounding()));
    sets.set_effective(limited(capabilities.effective()));
    sets.set_permitted(limited(capabilities.permitted()));
    sets.set_inheritable(limited(capabilities.inheritable()));
    sets.set_ambient(limited(capabilities.ambient()));
    *capabilities = sets;
}

/// Adds what loading a seccomp filter without no_new_privs takes, and taking it back.
pub(super) fn lend_for_seccomp(capabilities: &mut LinuxCapabilities) {
    let with_lent = |set: &Option<Capabilities>| -> Option<Capabilities> {
        let lent = [Capability::SysAdmin, Capability::Setpcap];
        Some(set.iter().flatten().copied().chain(lent).collect())
    };
    let bounding = with_lent(capabilities.bounding());
    let effective = with_lent(capabilities.effective());
    let permitted = with_lent(capabilities.permitted());
    capabilities
        .set_bounding(bounding)
        .set_effective(effective)
        .set_permitted(permitted);
}

/// The sets as bit masks.
pub(super) fn masks(capabilities: &LinuxCapabilities) -> CapabilityMasks {
    let mask = |set: &Option<Capabilities>| {
        let is_in =
            |capability: &Capability| set.as_ref().is_some_and(|set| set.contains(capability));
        let numbers = BY_NUMBER
            .iter()
            .enumerate()
            .filter(|(_, capability)| is_in(capability));
        numbers.fold(0, |mask, (number, _)| mask | 1 << number)
    };
    CapabilityMasks {
        bounding: mask(capabilities.bounding()),
        effective: mask(capabilities.effective()),
        permitted: mask(capabilities.permitted()),
        inheritable: mask(capabilities.inheritable()),
        ambient: mask(capabilities.ambient()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_numbered_as_the_kernel_numbers_them() {
        assert_eq!(BY_NUMBER[21], Capability::SysAdmin);
        assert_eq!(BY_NUMBER[SYS_RESOURCE as usize], Capability::SysResource);
        assert_eq!(BY_NUMBER[40], Capability::CheckpointRestore);
    }

    #[test]
    fn what_this_process_cannot_give_is_taken_out() {
        let all: Capabilities = BY_NUMBER.into_iter().collect();
        let mut capabilities = LinuxCapabilities::default();
        capabilities
            .set_bounding(Some(all.clone()))
            .set_ambient(None)
            .set_effective(Some(all));
        limit(&mut capabilities, !(1 << SYS_RESOURCE));
        let bounding = capabilities.bounding().clone().expect("a bounding set");
        assert_eq!(bounding.len(), 40);
        assert!(!bounding.contains(&Capability::SysResource));
        assert!(capabilities.ambient().is_none());
        assert_eq!(
            masks(&capabilities).bounding,
            ((1 << 41) - 1) & !(1 << SYS_RESOURCE)
        );
    }
}
