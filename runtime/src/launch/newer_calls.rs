//! What a filter answers to system calls that are newer than its profile.
//!
//! C libraries try a new call first and fall back when the kernel says that there is none. A profile
//! that lists what is allowed refuses with EPERM what nobody knew when it was written, and programs
//! take that for an answer. So calls with numbers above every one that the profile names "do not
//! exist": a few instructions before the filter proper.

use libseccomp::ScmpSyscall;
use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction};

/// Places of number and architecture in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_GREATER: u16 = 0x25;
const JUMP_IF_NOT_LESS: u16 = 0x35;
const RETURN: u16 = 0x06;

/// Calls of x32 have this bit set.
const X32: u32 = 0x4000_0000;
/// SECCOMP_RET_ERRNO with ENOSYS.
const NO_SUCH_CALL: u32 = 0x0005_0000 | 38;

/// The architecture of this machine: as the kernel numbers it, and as profiles name it.
#[cfg(target_arch = "x86_64")]
const NATIVE: (u32, Arch) = (0xc000_003e, Arch::ScmpArchX86_64);
/// The architecture of this machine: as the kernel numbers it, and as profiles name it.
#[cfg(target_arch = "aarch64")]
const NATIVE: (u32, Arch) = (0xc000_00b7, Arch::ScmpArchAarch64);
/// The architecture of this machine: as the kernel numbers it, and as profiles name it.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const NATIVE: (u32, Arch) = (0, Arch::ScmpArchNative);

/// The instructions to put before the filter of `profile`; none when it allows by default.
pub(super) fn prefix(profile: &LinuxSeccomp) -> Vec<u8> {
    use LinuxSeccompAction as Action;
    let allows = matches!(
        profile.default_action(),
        Action::ScmpActAllow | Action::ScmpActLog | Action::ScmpActTrace | Action::ScmpActNotify
    );
    match newest(profile) {
        Some(newest) if !allows && is_for_this_machine(profile) => instructions(newest),
        _ => Vec::new(),
    }
}

fn is_for_this_machine(profile: &LinuxSeccomp) -> bool {
    let listed = profile.architectures().as_deref().unwrap_or_default();
    listed.is_empty() || listed.contains(&NATIVE.1) || listed.contains(&Arch::ScmpArchNative)
}

/// The highest number of a call that the profile names.
fn newest(profile: &LinuxSeccomp) -> Option<u32> {
    let rules = profile.syscalls().iter().flatten();
    rules
        .flat_map(|rule| rule.names())
        .filter_map(|name| ScmpSyscall::from_name(name).ok())
        .filter_map(|call| u32::try_from(call.as_raw_syscall()).ok())
        .max()
}

fn instructions(newest: u32) -> Vec<u8> {
    let program = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_IF_EQUAL, 0, 4, NATIVE.0),
        (LOAD, 0, 0, NUMBER),
        (JUMP_IF_GREATER, 0, 2, newest),
        (JUMP_IF_NOT_LESS, 1, 0, X32),
        (RETURN, 0, 0, NO_SUCH_CALL),
    ];
    let bytes = |(code, jump_true, jump_false, operand): (u16, u8, u8, u32)| {
        let mut bytes = code.to_ne_bytes().to_vec();
        bytes.extend([jump_true, jump_false]);
        bytes.extend(operand.to_ne_bytes());
        bytes
    };
    program.into_iter().flat_map(bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(default: &str, calls: &str) -> LinuxSeccomp {
        let json = format!(
            r#"{{"defaultAction": "{default}", "syscalls": [
                {{"names": [{calls}], "action": "SCMP_ACT_ALLOW"}}]}}"#
        );
        serde_json::from_str(&json).expect("a profile")
    }

    #[test]
    fn the_newest_call_that_a_profile_names_is_the_limit() {
        let profile = profile("SCMP_ACT_ERRNO", r#""read", "openat2", "nosuch", "write""#);
        assert_eq!(newest(&profile), Some(437));
        let prefix = prefix(&profile);
        assert_eq!(prefix.len(), 6 * 8);
        assert_eq!(&prefix[3 * 8 + 4..4 * 8], &437_u32.to_ne_bytes());
    }

    #[test]
    fn a_profile_that_forbids_what_it_names_stays_as_it_is() {
        for action in ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"] {
            assert!(
                prefix(&profile(action, r#""mkdir""#)).is_empty(),
                "{action}"
            );
        }
        assert!(prefix(&profile("SCMP_ACT_ERRNO", r#""nosuch""#)).is_empty());
    }
}
