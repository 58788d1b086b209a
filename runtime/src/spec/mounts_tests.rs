//! Tests of the mount list.

use super::*;
use crate::spec::fixture;

fn request(container_path: &str) -> Mount {
    Mount {
        container_path: container_path.to_owned(),
        host_path: "/host/dir".to_owned(),
        ..Default::default()
    }
}

fn compose(requested: &[Mount], security: &ContainerSecurity) -> Result<Vec<String>, SpecError> {
    let line = |mount: &SpecMount| {
        let source = mount
            .source()
            .as_ref()
            .map(|path| path.display().to_string());
        let options = mount.options().as_ref().map(|options| options.join(","));
        format!(
            "{} {} {}",
            text(mount),
            source.unwrap_or_default(),
            options.unwrap_or_default()
        )
    };
    let mounts = mounts(requested, security, &fixture::sandbox(), &fixture::host())?;
    Ok(mounts.iter().map(line).collect())
}

fn plain(requested: &[Mount]) -> Result<Vec<String>, SpecError> {
    compose(requested, &ContainerSecurity::default())
}

fn find(lines: &[String], destination: &str) -> Vec<String> {
    let prefix = format!("{destination} ");
    lines
        .iter()
        .filter_map(|line| line.strip_prefix(&prefix))
        .map(str::to_owned)
        .collect()
}

#[test]
fn outer_mounts_come_before_inner_ones() {
    let lines = plain(&[
        request("/a/b/c"),
        request("/a"),
        request("/a/b"),
        request("/z"),
    ])
    .unwrap();
    let order: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let expected = [
        "/proc",
        "/dev",
        "/sys",
        "/a",
        "/z",
        "/dev/pts",
        "/dev/mqueue",
        "/etc/hostname",
        "/etc/hosts",
        "/etc/resolv.conf",
        "/dev/shm",
        "/a/b",
        "/sys/fs/cgroup",
        "/a/b/c",
    ];
    assert_eq!(order, expected);
}

#[test]
fn a_mount_of_the_request_replaces_a_default_one() {
    for path in [
        "/etc/hosts",
        "/dev/shm",
        "/sys",
        "/sys/fs/cgroup",
        "/dev//mqueue/",
    ] {
        let lines = plain(&[request(path)]).unwrap();
        let tidy = normalized(path).unwrap();
        assert_eq!(
            find(&lines, &tidy),
            ["/host/dir rbind,rprivate,rw"],
            "{path}"
        );
    }
}

#[test]
fn propagation_and_access_become_options() {
    let mount = |propagation, readonly, recursive_read_only| Mount {
        propagation,
        readonly,
        recursive_read_only,
        ..request("/a")
    };
    for (asked, expected) in [
        (
            mount(Propagation::Private, false, false),
            "rbind,rprivate,rw",
        ),
        (
            mount(Propagation::Private, true, false),
            "rbind,rprivate,ro",
        ),
        (
            mount(Propagation::Private, true, true),
            "rbind,rprivate,rro",
        ),
        (
            mount(Propagation::HostToContainer, true, false),
            "rbind,rslave,ro",
        ),
        (
            mount(Propagation::Bidirectional, false, false),
            "rbind,rshared,rw",
        ),
    ] {
        assert_eq!(
            find(&plain(&[asked]).unwrap(), "/a"),
            [format!("/host/dir {expected}")]
        );
    }
    for refused in [
        mount(Propagation::Private, false, true),
        mount(Propagation::HostToContainer, true, true),
    ] {
        assert!(matches!(
            plain(&[refused]),
            Err(SpecError::RecursiveReadOnly(..))
        ));
    }
}

#[test]
fn recursive_read_only_is_refused_where_the_kernel_cannot() {
    let host = HostFacts {
        recursive_read_only: false,
        ..fixture::host()
    };
    let mount = Mount {
        readonly: true,
        recursive_read_only: true,
        ..request("/a")
    };
    let got = mounts(
        &[mount],
        &ContainerSecurity::default(),
        &fixture::sandbox(),
        &host,
    );
    assert!(matches!(got, Err(SpecError::RecursiveReadOnly(..))));
}

#[test]
fn the_root_propagates_as_the_most_open_mount_does() {
    let with = |propagation| Mount {
        propagation,
        ..request("/a")
    };
    let private = || with(Propagation::Private);
    assert_eq!(rootfs_propagation(&[private()]), None);
    let slave = [private(), with(Propagation::HostToContainer)];
    assert_eq!(rootfs_propagation(&slave).as_deref(), Some("slave"));
    let shared = [
        with(Propagation::HostToContainer),
        with(Propagation::Bidirectional),
    ];
    assert_eq!(rootfs_propagation(&shared).as_deref(), Some("shared"));
}

#[test]
fn only_a_privileged_container_may_write_sys() {
    let lines = plain(&[]).unwrap();
    assert_eq!(find(&lines, "/sys"), ["sysfs nosuid,noexec,nodev,ro"]);
    assert!(find(&lines, "/sys/fs/cgroup")[0].ends_with(",ro"));
    let lines = compose(
        &[],
        &ContainerSecurity {
            privileged: true,
            ..Default::default()
        },
    )
    .unwrap();
    assert!(find(&lines, "/sys")[0].ends_with(",rw"));
    assert!(find(&lines, "/sys/fs/cgroup")[0].ends_with(",rw"));
}

#[test]
fn the_pods_files_are_read_only_with_the_root() {
    let security = ContainerSecurity {
        readonly_rootfs: true,
        ..Default::default()
    };
    let lines = compose(&[], &security).unwrap();
    for file in ["hostname", "hosts", "resolv.conf"] {
        let expected = format!("/state/sandboxes/s/{file} rbind,rprivate,ro");
        assert_eq!(find(&lines, &format!("/etc/{file}")), [expected]);
    }
    assert_eq!(
        find(&lines, "/dev/shm"),
        ["/run/sandboxes/s/shm rbind,rprivate,rw"]
    );
}

#[test]
fn nothing_can_be_mounted_over_what_confines_the_container() {
    for path in [
        "/proc",
        "/proc/self/attr",
        "//proc/./sys",
        "/dev",
        "/dev/",
        "/proc/net",
    ] {
        assert!(
            matches!(plain(&[request(path)]), Err(SpecError::MountForbidden(_))),
            "{path}"
        );
    }
    assert!(
        plain(&[
            request("/proc/meminfo"),
            request("/process"),
            request("/dev/net")
        ])
        .is_ok()
    );
}

#[test]
fn odd_paths_and_two_mounts_at_one_place_are_refused() {
    for path in ["", "/", "a", "/a/../../b", "/a\0"] {
        assert!(
            matches!(
                plain(&[request(path)]),
                Err(SpecError::MountDestination(..))
            ),
            "{path:?}"
        );
    }
    for host_path in ["", "etc", "/a/../b"] {
        let mount = Mount {
            host_path: host_path.to_owned(),
            ..request("/a")
        };
        assert!(
            matches!(plain(&[mount]), Err(SpecError::MountSource(..))),
            "{host_path:?}"
        );
    }
    assert!(matches!(
        plain(&[request("/a"), request("/a/")]),
        Err(SpecError::MountTwice(_))
    ));
}
