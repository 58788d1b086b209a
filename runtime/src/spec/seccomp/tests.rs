//! Tests of the seccomp profiles.

use std::collections::BTreeSet;

use oci_spec::runtime::{LinuxSeccompAction, LinuxSeccompOperator, LinuxSyscall};

use super::*;

const SYS_ADMIN: u64 = 1 << 21;

fn with(seccomp: SecurityProfile) -> ContainerSecurity {
    ContainerSecurity {
        seccomp,
        ..Default::default()
    }
}

fn default_rules(capabilities: u64) -> Vec<LinuxSyscall> {
    default_profile::profile(capabilities)
        .syscalls()
        .clone()
        .unwrap()
}

fn rules_for<'a>(rules: &'a [LinuxSyscall], name: &str) -> Vec<&'a LinuxSyscall> {
    rules
        .iter()
        .filter(|rule| rule.names().iter().any(|known| known == name))
        .collect()
}

#[test]
fn without_a_profile_and_for_privileged_containers_there_is_no_filter() {
    assert_eq!(
        profile(&with(SecurityProfile::Unconfined), None, 0).unwrap(),
        None
    );
    let privileged = ContainerSecurity {
        privileged: true,
        ..with(SecurityProfile::RuntimeDefault)
    };
    assert_eq!(profile(&privileged, None, 0).unwrap(), None);
}

#[test]
fn a_file_that_is_not_named_not_read_or_no_profile_is_refused() {
    let named = with(SecurityProfile::Localhost("/p.json".to_owned()));
    let empty = with(SecurityProfile::Localhost(String::new()));
    assert!(matches!(
        profile(&empty, Some("{}"), 0),
        Err(SpecError::EmptyProfile(_))
    ));
    assert!(matches!(
        profile(&named, None, 0),
        Err(SpecError::SeccompProfileMissing(_))
    ));
    for text in ["", "{}", "[]", "{\"defaultAction\":\"SCMP_ACT_MAYBE\"}"] {
        let got = profile(&named, Some(text), 0);
        assert!(matches!(got, Err(SpecError::SeccompProfile(..))), "{text}");
    }
}

#[test]
fn a_file_is_taken_as_it_is() {
    let text = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
        {"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":13}]}"#;
    let named = with(SecurityProfile::Localhost("/p.json".to_owned()));
    let profile = profile(&named, Some(text), 0).unwrap().unwrap();
    assert_eq!(profile.default_action(), LinuxSeccompAction::ScmpActAllow);
    assert_eq!(
        profile.syscalls().as_ref().unwrap()[0].errno_ret(),
        Some(13)
    );
}

#[test]
fn the_default_refuses_with_eperm_what_it_does_not_name() {
    let profile = default_profile::profile(0);
    assert_eq!(profile.default_action(), LinuxSeccompAction::ScmpActErrno);
    assert_eq!(profile.default_errno_ret(), Some(1));
    let rules = default_rules(0);
    for name in [
        "read",
        "futex",
        "execve",
        "openat2",
        "landlock_create_ruleset",
    ] {
        assert_eq!(rules_for(&rules, name).len(), 1, "{name}");
    }
    for name in [
        "mount",
        "bpf",
        "kexec_load",
        "keyctl",
        "userfaultfd",
        "io_uring_setup",
        "unshare",
    ] {
        assert!(rules_for(&rules, name).is_empty(), "{name}");
    }
}

#[test]
fn a_capability_brings_its_system_calls() {
    let rules = default_rules(SYS_ADMIN);
    for name in ["mount", "unshare", "setns", "clone3", "bpf"] {
        assert_eq!(rules_for(&rules, name).len(), 1, "{name}");
    }
    assert_eq!(rules_for(&default_rules(1 << 18), "chroot").len(), 1);
    assert!(rules_for(&default_rules(0), "chroot").is_empty());
}

#[test]
fn clone_makes_no_namespaces_and_clone3_does_not_exist_without_sys_admin() {
    let rules = default_rules(0);
    let clone = rules_for(&rules, "clone");
    let arg = &clone[0].args().as_ref().unwrap()[0];
    assert_eq!((arg.value(), arg.value_two()), (0x7e02_0000, Some(0)));
    let clone3 = rules_for(&rules, "clone3");
    assert_eq!(clone3[0].action(), LinuxSeccompAction::ScmpActErrno);
    assert_eq!(clone3[0].errno_ret(), Some(38));
    assert!(
        rules_for(&default_rules(SYS_ADMIN), "clone")[0]
            .args()
            .is_none()
    );
}

#[test]
fn every_socket_family_but_alg_and_vsock_is_allowed_whatever_the_upper_half_says() {
    let rules = default_rules(0);
    let sockets = rules_for(&rules, "socket");
    let is_allowed = |family: u64| {
        sockets.iter().any(|rule| {
            let arg = &rule.args().as_ref().unwrap()[0];
            assert_eq!(arg.op(), LinuxSeccompOperator::ScmpCmpMaskedEq);
            Some(family & arg.value()) == arg.value_two()
        })
    };
    for family in 0..48 {
        let expected = !matches!(family, 38 | 40);
        assert_eq!(is_allowed(family), expected, "{family}");
        assert_eq!(is_allowed(1 << 32 | family), expected, "{family}");
    }
}

#[test]
fn the_tables_hold_known_names_once() {
    let rules = default_rules(u64::MAX);
    let names: Vec<&String> = rules[0].names().iter().collect();
    let unique: BTreeSet<&&String> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
    // Newer than the filter library that is linked, or of other machines.
    let newer = [
        "fchmodat2",
        "futex_requeue",
        "futex_wait",
        "futex_wake",
        "getxattrat",
        "listmount",
        "listxattrat",
        "map_shadow_stack",
        "lsm_get_self_attr",
        "lsm_list_modules",
        "lsm_set_self_attr",
        "mseal",
        "removexattrat",
        "setxattrat",
        "statmount",
        "uretprobe",
        "cachestat",
        "set_mempolicy_home_node",
        "fstatat64",
    ];
    for name in names {
        let is_known = libseccomp::ScmpSyscall::from_name(name).is_ok();
        assert!(
            is_known || newer.contains(&name.as_str()),
            "{name} is no system call"
        );
    }
}
