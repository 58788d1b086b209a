//! Which capabilities a container gets.
//!
//! The default set is the one that containerd, CRI-O and docker share. The inheritable set is
//! empty, so that no file in the image gains rights by its own inheritable bits (CVE-2022-24769);
//! the ambient set holds only what the request asks for, and the kernel wants that inheritable too.

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, LinuxCapabilitiesBuilder};

use super::{HostFacts, Note, SpecError};
use crate::model::config::ContainerSecurity;
use crate::model::process::CapabilityMasks;

/// Every capability, in the kernel's numbering: index n is capability n.
const ALL: [Capability; 41] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::DacReadSearch,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setpcap,
    Capability::LinuxImmutable,
    Capability::NetBindService,
    Capability::NetBroadcast,
    Capability::NetAdmin,
    Capability::NetRaw,
    Capability::IpcLock,
    Capability::IpcOwner,
    Capability::SysModule,
    Capability::SysRawio,
    Capability::SysChroot,
    Capability::SysPtrace,
    Capability::SysPacct,
    Capability::SysAdmin,
    Capability::SysBoot,
    Capability::SysNice,
    Capability::SysResource,
    Capability::SysTime,
    Capability::SysTtyConfig,
    Capability::Mknod,
    Capability::Lease,
    Capability::AuditWrite,
    Capability::AuditControl,
    Capability::Setfcap,
    Capability::MacOverride,
    Capability::MacAdmin,
    Capability::Syslog,
    Capability::WakeAlarm,
    Capability::BlockSuspend,
    Capability::AuditRead,
    Capability::Perfmon,
    Capability::Bpf,
    Capability::CheckpointRestore,
];

/// CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW,
/// SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP.
const DEFAULT: u64 = 0b1010_1000_0000_0100_0010_0101_1111_1011;

/// The five sets of a container, as masks.
pub(super) fn capabilities(
    security: &ContainerSecurity,
    host: &HostFacts,
    notes: &mut Vec<Note>,
) -> Result<CapabilityMasks, SpecError> {
    let asked = &security.capabilities;
    let added = masks_of(&asked.add)?;
    let dropped = masks_of(&asked.drop)?;
    let mut set = if security.privileged {
        u64::MAX
    } else {
        DEFAULT
    };
    // `ALL` goes first, so that ALL together with names means all but, or only, these.
    if added.all {
        set = u64::MAX;
    }
    if dropped.all {
        set = 0;
    }
    let wanted = (set | added.named) & !dropped.named;
    for bit in bits(added.named & !dropped.named & !host.bounding) {
        notes.push(Note::CapabilityMissing(ALL[bit].to_string()));
    }
    let given = wanted & host.bounding & known();
    let ambient = masks_of(&asked.add_ambient)?;
    let ambient = if ambient.all {
        given
    } else {
        ambient.named & given
    };
    Ok(CapabilityMasks {
        bounding: given,
        effective: given,
        permitted: given,
        inheritable: ambient,
        ambient,
    })
}

/// The sets as the spec writes them.
pub(super) fn to_spec(masks: &CapabilityMasks) -> LinuxCapabilities {
    LinuxCapabilitiesBuilder::default()
        .bounding(names(masks.bounding))
        .effective(names(masks.effective))
        .permitted(names(masks.permitted))
        .inheritable(names(masks.inheritable))
        .ambient(names(masks.ambient))
        .build()
        .expect("every field has a default")
}

/// The sets as masks again.
pub(super) fn from_spec(capabilities: &LinuxCapabilities) -> CapabilityMasks {
    CapabilityMasks {
        bounding: mask(capabilities.bounding()),
        effective: mask(capabilities.effective()),
        permitted: mask(capabilities.permitted()),
        inheritable: mask(capabilities.inheritable()),
        ambient: mask(capabilities.ambient()),
    }
}

/// Whether a mask holds a capability.
pub(super) fn holds(mask: u64, capability: Capability) -> bool {
    bits(mask).any(|bit| ALL.get(bit) == Some(&capability))
}

/// The capability of a name, with or without `CAP_`, in any case.
pub(super) fn parse(name: &str) -> Result<Capability, SpecError> {
    let upper = name.to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    ALL.into_iter()
        .find(|capability| capability.to_string() == bare)
        .ok_or_else(|| SpecError::UnknownCapability(name.to_owned()))
}

/// Names from a request: whether `ALL` is among them, and the others.
struct Named {
    all: bool,
    named: u64,
}

fn masks_of(names: &[String]) -> Result<Named, SpecError> {
    let mut masks = Named {
        all: false,
        named: 0,
    };
    for name in names {
        if name.eq_ignore_ascii_case("ALL") {
            masks.all = true;
        } else {
            masks.named |= bit(parse(name)?);
        }
    }
    Ok(masks)
}

fn bit(capability: Capability) -> u64 {
    let number = ALL.iter().position(|&known| known == capability);
    1 << number.expect("every capability of the library is in the table")
}

fn bits(mask: u64) -> impl Iterator<Item = usize> {
    (0..64).filter(move |bit| mask >> bit & 1 == 1)
}

fn known() -> u64 {
    (1 << ALL.len()) - 1
}

fn names(mask: u64) -> Capabilities {
    bits(mask & known()).map(|bit| ALL[bit]).collect()
}

fn mask(capabilities: &Option<Capabilities>) -> u64 {
    capabilities
        .iter()
        .flatten()
        .fold(0, |mask, &capability| mask | bit(capability))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config;
    use crate::spec::fixture;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn run(add: &str, drop: &str, privileged: bool, bounding: u64) -> (CapabilityMasks, Vec<Note>) {
        let capabilities = config::Capabilities {
            add: words(add),
            drop: words(drop),
            ..Default::default()
        };
        let security = ContainerSecurity {
            capabilities,
            privileged,
            ..Default::default()
        };
        let host = HostFacts {
            bounding,
            ..fixture::host()
        };
        let mut notes = Vec::new();
        let masks = super::capabilities(&security, &host, &mut notes).unwrap();
        (masks, notes)
    }

    fn listed(mask: u64) -> String {
        bits(mask)
            .map(|bit| ALL[bit].to_string())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn the_default_set_is_the_one_other_runtimes_give() {
        let (masks, _) = run("", "", false, known());
        assert_eq!(
            listed(masks.bounding),
            "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW \
             SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP"
        );
        assert_eq!((masks.inheritable, masks.ambient), (0, 0));
        assert_eq!(
            (masks.effective, masks.permitted),
            (masks.bounding, masks.bounding)
        );
    }

    #[test]
    fn add_and_drop_combine_with_all() {
        for (add, drop, expected) in [
            ("", "ALL", ""),
            ("net_admin", "all", "NET_ADMIN"),
            ("CAP_SYS_TIME", "ALL KILL", "SYS_TIME"),
            ("KILL", "ALL KILL", ""),
        ] {
            assert_eq!(
                listed(run(add, drop, false, known()).0.bounding),
                expected,
                "+{add} -{drop}"
            );
        }
        let (masks, _) = run("ALL", "CHOWN", false, known());
        assert_eq!(masks.bounding, known() & !bit(Capability::Chown));
    }

    #[test]
    fn nothing_beyond_the_bounding_set_is_given_and_what_was_asked_for_is_noted() {
        let bounding = known() & !bit(Capability::SysResource);
        let (masks, notes) = run("SYS_RESOURCE", "", true, bounding);
        assert_eq!(masks.bounding, bounding);
        assert_eq!(notes, [Note::CapabilityMissing("SYS_RESOURCE".to_owned())]);
        assert!(
            run("", "", true, bounding).1.is_empty(),
            "privileged means all there are"
        );
    }

    #[test]
    fn an_ambient_capability_is_inheritable_and_never_more_than_the_set() {
        let capabilities = config::Capabilities {
            add_ambient: words("NET_BIND_SERVICE SYS_ADMIN"),
            ..Default::default()
        };
        let security = ContainerSecurity {
            capabilities,
            ..Default::default()
        };
        let masks = super::capabilities(&security, &fixture::host(), &mut Vec::new()).unwrap();
        assert_eq!(listed(masks.ambient), "NET_BIND_SERVICE");
        assert_eq!(masks.inheritable, masks.ambient);
    }

    #[test]
    fn a_name_that_is_no_capability_is_refused() {
        for name in ["", "CAP_", "ROOT", "CAP_CAP_CHOWN", "CHOWN\n"] {
            assert!(
                matches!(parse(name), Err(SpecError::UnknownCapability(_))),
                "{name:?}"
            );
        }
    }

    #[test]
    fn masks_survive_the_way_through_the_spec() {
        let (masks, _) = run("ALL", "", false, known());
        assert_eq!(from_spec(&to_spec(&masks)), masks);
    }
}
