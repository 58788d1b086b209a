//! The runtime's own profile: everything is refused but what programs need.
//!
//! It allows the system calls that containerd's and docker's default profiles allow, under the
//! same capabilities, so that what runs there runs here. The set was compared with theirs of June
//! 2026: io_uring is not in it, and neither are sockets of AF_ALG and AF_VSOCK.

use oci_spec::runtime::{
    Arch, Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompBuilder, LinuxSeccompOperator, LinuxSyscall, LinuxSyscallBuilder,
};

use super::syscalls;
use crate::spec::capabilities::holds;

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Every socket family but AF_ALG (38) and AF_VSOCK (40), as (mask, value) pairs. The kernel looks
/// at the lower 32 bits of the argument alone, so a comparison of all 64 could be walked around
/// with a number that is the same family to the kernel and another one to the filter.
const FAMILIES: [(u64, u64); 7] = [
    (0xffff_ffe0, 0),
    (0xffff_fffc, 32),
    (0xffff_fffe, 36),
    (0xffff_ffff, 39),
    (0xffff_ffff, 41),
    (0xffff_fffe, 42),
    (0xffff_fffc, 44),
];

/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET.
const CLONE_NAMESPACES: u64 = 0x7e02_0000;

/// PER_LINUX, PER_LINUX32, both with UNAME26, and the question what is set.
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The profile for a container with these capabilities.
pub(super) fn profile(capabilities: u64) -> LinuxSeccomp {
    LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActErrno)
        .default_errno_ret(EPERM)
        .architectures(architectures())
        .syscalls(rules(capabilities))
        .build()
        .expect("every field has a default")
}

fn rules(capabilities: u64) -> Vec<LinuxSyscall> {
    let mut names: Vec<&str> = words(syscalls::ALWAYS)
        .chain(words(syscalls::OF_MACHINE))
        .collect();
    for (capability, list) in syscalls::WITH_CAPABILITY {
        if holds(capabilities, *capability) {
            names.extend(words(list));
        }
    }
    names.sort_unstable();
    names.dedup();
    let mut rules = vec![allow(&names, None)];
    for personality in PERSONALITIES {
        let is_it = compare(LinuxSeccompOperator::ScmpCmpEq, personality, None);
        rules.push(allow(&["personality"], Some(is_it)));
    }
    for (mask, value) in FAMILIES {
        let is_in = compare(LinuxSeccompOperator::ScmpCmpMaskedEq, mask, Some(value));
        rules.push(allow(&["socket"], Some(is_in)));
    }
    if !holds(capabilities, Capability::SysAdmin) {
        rules.extend(rules_without_namespaces());
    }
    rules
}

/// clone may make no namespace. clone3 hides its flags in memory, which no filter can look into:
/// "not implemented" makes the C libraries fall back to clone.
fn rules_without_namespaces() -> [LinuxSyscall; 2] {
    let no_namespace = compare(
        LinuxSeccompOperator::ScmpCmpMaskedEq,
        CLONE_NAMESPACES,
        Some(0),
    );
    let clone3 = LinuxSyscallBuilder::default()
        .names(["clone3".to_owned()])
        .action(LinuxSeccompAction::ScmpActErrno)
        .errno_ret(ENOSYS)
        .build()
        .expect("names and action are set");
    [allow(&["clone"], Some(no_namespace)), clone3]
}

/// The native architecture and the 32-bit ones that its kernel runs too.
fn architectures() -> Vec<Arch> {
    if cfg!(target_arch = "aarch64") {
        vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm]
    } else if cfg!(target_arch = "x86_64") {
        vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32]
    } else {
        vec![Arch::ScmpArchNative]
    }
}

fn allow(names: &[&str], arg: Option<LinuxSeccompArg>) -> LinuxSyscall {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut rule = LinuxSyscallBuilder::default()
        .names(names)
        .action(LinuxSeccompAction::ScmpActAllow)
        .build()
        .expect("names and action are set");
    rule.set_args(arg.map(|arg| vec![arg]));
    rule
}

fn compare(op: LinuxSeccompOperator, value: u64, value_two: Option<u64>) -> LinuxSeccompArg {
    let arg = LinuxSeccompArgBuilder::default()
        .index(0_usize)
        .value(value)
        .op(op);
    let arg = match value_two {
        Some(value_two) => arg.value_two(value_two),
        None => arg,
    };
    arg.build().expect("index, value and operator are set")
}

fn words(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split_whitespace()
}
