//! Each thing that can be wrong, changed in a machine on which all is well.

use podling_runtime::cgroup::CgroupDriver;

use super::super::facts::{Cgroups, Cni, Disk, Facts, Kernel, Process};
use super::super::finding::State;
use super::*;

fn well() -> Facts {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect();
    Facts {
        kernel: Kernel {
            release: "6.1.0".to_owned(),
            overlay: Ok(()),
            user_namespaces: Ok(()),
            seccomp: Ok(()),
            pidfd: Ok(()),
            network: Ok(()),
            conntrack: true,
        },
        cgroups: Cgroups {
            unified: Some(words("cpuset cpu io memory hugetlb pids")),
            legacy: Vec::new(),
            made: Ok(()),
            driver: CgroupDriver::Cgroupfs,
            systemd: Some(Ok(())),
        },
        sysctls: [
            ("net.ipv4.ip_forward", "1"),
            ("fs.inotify.max_user_instances", "8192"),
            ("fs.inotify.max_user_watches", "1048576"),
            ("kernel.pid_max", "4194304"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into(),
        cni: Cni {
            conf_dir: "/etc/cni/net.d".into(),
            is_required: false,
            configurations: Vec::new(),
            missing_plugins: Vec::new(),
        },
        process: Process {
            is_root: true,
            capabilities: u64::MAX,
            open_files: 1 << 20,
        },
        disk: Disk {
            path: "/var/lib/podling".into(),
            kind: "ext4".to_owned(),
            free: 50 << 30,
            size: 100 << 30,
            free_inodes: 500,
            inodes: 1000,
        },
        security_modules: Some("capability,landlock,yama".to_owned()),
        has_apparmor_parser: false,
        lacks_container_labels: false,
        addresses: vec![("127.0.0.1:10255".to_owned(), Ok(()))],
        other_runtimes: Vec::new(),
        is_running: false,
        now: 1_800_000_000,
        configuration: Ok(()),
        missing_programs: Vec::new(),
    }
}

/// Checks that are not well after a change of a machine on which all is.
fn ill(change: impl FnOnce(&mut Facts)) -> Vec<(&'static str, State)> {
    let mut facts = well();
    change(&mut facts);
    let all = of(&facts).into_iter();
    let ill = all.filter(|finding| finding.state != State::Ok);
    let seen = ill.inspect(|finding| assert!(!finding.mend.is_empty(), "{finding:?}"));
    seen.map(|finding| (finding.check, finding.state)).collect()
}

fn no() -> Result<(), String> {
    Err("no".to_owned())
}

#[test]
fn a_machine_on_which_all_is_well_lacks_nothing() {
    assert_eq!(ill(|_| {}), []);
}

#[test]
fn each_trial_of_the_kernel_counts() {
    use State::{Limited, Missing};
    type Change = fn(&mut Facts);
    let rows: [(Change, &str, State); 9] = [
        (|f| f.kernel.overlay = no(), "kernel overlayfs", Missing),
        (
            |f| f.kernel.user_namespaces = no(),
            "kernel user namespaces",
            Limited,
        ),
        (|f| f.kernel.seccomp = no(), "kernel seccomp", Missing),
        (|f| f.kernel.pidfd = no(), "kernel pidfd", Missing),
        (|f| f.kernel.network = no(), "network bridge", Missing),
        (|f| f.kernel.conntrack = false, "network conntrack", Limited),
        (|f| f.cgroups.made = no(), "cgroups delegation", Missing),
        (|f| f.security_modules = None, "security modules", Limited),
        (
            |f| f.lacks_container_labels = true,
            "security modules",
            Limited,
        ),
    ];
    for (change, check, state) in rows {
        assert_eq!(ill(change), [(check, state)]);
    }
}

#[test]
fn an_overlay_below_an_overlay_is_mended_otherwise_than_a_kernel_without() {
    let mend = |kind: &str| {
        let mut facts = well();
        facts.kernel.overlay = no();
        facts.disk.kind = kind.to_owned();
        let finding = of(&facts)
            .into_iter()
            .find(|one| one.check == "kernel overlayfs");
        finding.expect("it is looked at").mend
    };
    assert_ne!(mend("overlay"), mend("ext4"));
}

#[test]
fn apparmor_needs_its_parser() {
    let active = |f: &mut Facts| f.security_modules = Some("capability,apparmor".into());
    assert_eq!(ill(active), [("security modules", State::Limited)]);
    assert_eq!(
        ill(|f| {
            active(f);
            f.has_apparmor_parser = true;
        }),
        []
    );
}

#[test]
fn sysctls_that_are_low_or_not_there_limit_a_node() {
    for (name, value) in [
        ("fs.inotify.max_user_instances", Some("128")),
        ("fs.inotify.max_user_watches", Some("8192")),
        ("kernel.pid_max", Some("32768")),
        ("kernel.pid_max", None),
    ] {
        let found = ill(|f| {
            match value {
                Some(value) => f.sysctls.insert(name, value.to_owned()),
                None => f.sysctls.remove(name),
            };
        });
        assert_eq!(found, [(name, State::Limited)], "{value:?}");
    }
}

#[test]
fn systemd_makes_cgroups_only_where_it_runs_the_machine_with_v2_and_answers() {
    use State::Missing;
    type Change = fn(&mut Facts);
    let rows: [(Change, Option<State>); 6] = [
        (|_| {}, None),
        (|f| f.cgroups.systemd = None, Some(Missing)),
        (|f| f.cgroups.systemd = Some(no()), Some(Missing)),
        (|f| f.cgroups.unified = None, Some(Missing)),
        (|f| f.cgroups.driver = CgroupDriver::Cgroupfs, None),
        (
            |f| {
                f.cgroups.driver = CgroupDriver::Cgroupfs;
                f.cgroups.systemd = None;
            },
            None,
        ),
    ];
    for (at, (change, state)) in rows.into_iter().enumerate() {
        let found = ill(|f| {
            f.cgroups.driver = CgroupDriver::Systemd;
            f.cgroups.legacy = ["cpu", "memory", "pids", "cpuset", "blkio"]
                .map(str::to_owned)
                .into();
            change(f);
        });
        let expected: Vec<_> = state
            .map(|state| ("cgroups driver", state))
            .into_iter()
            .collect();
        assert_eq!(found, expected, "row {at}");
    }
}

#[test]
fn controllers_are_needed_or_wanted_in_both_versions() {
    for (unified, legacy, expected) in [
        (Some("cpu memory pids"), "", Some(State::Limited)),
        (Some("cpuset cpu io pids"), "", Some(State::Missing)),
        (None, "cpuset cpu blkio memory pids", None),
        (None, "cpuset cpu blkio memory", Some(State::Missing)),
    ] {
        let found = ill(|f| {
            let words = |text: &str| text.split(' ').map(str::to_owned).collect();
            f.cgroups.unified = unified.map(words);
            f.cgroups.legacy = words(legacy);
        });
        let expected: Vec<_> = expected
            .map(|state| ("cgroups controllers", state))
            .into_iter()
            .collect();
        assert_eq!(found, expected, "{unified:?} {legacy}");
    }
}

#[test]
fn what_the_bridge_needs_does_not_count_where_cni_connects_pods() {
    let cni = |f: &mut Facts| {
        f.cni.configurations = vec!["/etc/cni/net.d/10-a.conflist".into()];
        f.kernel.network = no();
        f.kernel.conntrack = false;
    };
    assert_eq!(ill(cni), []);
    assert_eq!(
        ill(|f| {
            cni(f);
            f.cni.missing_plugins = vec!["bridge".into()];
        }),
        [("network CNI", State::Missing)]
    );
    assert_eq!(
        ill(|f| {
            cni(f);
            f.sysctls.insert("net.ipv4.ip_forward", "0".into());
        }),
        [("net.ipv4.ip_forward", State::Limited)]
    );
    assert_eq!(
        ill(|f| f.cni.is_required = true),
        [("network CNI", State::Missing)]
    );
    // The bridge turns it on itself.
    assert_eq!(
        ill(|f| {
            f.sysctls.insert("net.ipv4.ip_forward", "0".into());
        }),
        []
    );
}

#[test]
fn an_address_in_use_is_fine_when_the_node_itself_runs() {
    let taken = |f: &mut Facts| f.addresses[0].1 = no();
    assert_eq!(ill(taken), [("network addresses", State::Missing)]);
    assert_eq!(
        ill(|f| {
            taken(f);
            f.is_running = true;
        }),
        []
    );
}

#[test]
fn rights_room_time_and_neighbours_are_judged() {
    use State::{Limited, Missing};
    type Change = fn(&mut Facts);
    let rows: [(Change, &str, State); 10] = [
        (|f| f.process.is_root = false, "rights", Missing),
        (|f| f.process.capabilities = !(1 << 21), "rights", Missing),
        (|f| f.process.capabilities = !(1 << 24), "rights", Limited),
        (
            |f| f.process.open_files = 1024,
            "limits open files",
            Limited,
        ),
        (|f| f.disk.free = 1 << 30, "disk", Limited),
        (|f| f.disk.free_inodes = 1, "disk", Limited),
        (|f| f.now = 0, "clock", Limited),
        (
            |f| f.other_runtimes = vec!["/run/containerd/containerd.sock".into()],
            "other runtimes",
            Limited,
        ),
        (|f| f.configuration = no(), "configuration", Missing),
        (
            |f| f.missing_programs = vec!["pause".into()],
            "programs",
            Missing,
        ),
    ];
    for (change, check, state) in rows {
        assert_eq!(ill(change), [(check, state)]);
    }
}
