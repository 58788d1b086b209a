//! Tests of the mount list.

use super::*;
use crate::model::config::{ImageSource, MountOption, NamespaceMode, UserNamespace};
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
fn only_a_privileged_container_of_the_host_s_users_mounts_on_the_host() {
    let mount = Mount {
        propagation: Propagation::Bidirectional,
        ..request("/a")
    };
    let requested = std::slice::from_ref(&mount);
    let privileged = ContainerSecurity {
        privileged: true,
        ..Default::default()
    };
    let lines = compose(requested, &privileged).unwrap();
    assert_eq!(find(&lines, "/a"), ["/host/dir rbind,rshared,rw"]);
    assert!(matches!(
        plain(requested),
        Err(SpecError::Bidirectional(..))
    ));
    let in_user_namespace = SandboxFacts {
        user_namespace: Some(NAMESPACE),
        ..fixture::sandbox()
    };
    let got = mounts(requested, &privileged, &in_user_namespace, &fixture::host());
    assert!(matches!(got, Err(SpecError::Bidirectional(..))));
}

const NAMESPACE: UserNamespace = UserNamespace {
    uid: 1000,
    gid: 1000,
    length: 65_536,
};

#[test]
fn mount_options_are_added() {
    let mount = Mount {
        options: vec![MountOption::NoExec, MountOption::NoSuid],
        ..request("/a")
    };
    assert_eq!(
        find(&plain(&[mount]).unwrap(), "/a"),
        ["/host/dir rbind,rprivate,rw,noexec,nosuid"]
    );
}

#[test]
fn the_ids_of_a_mount_are_those_of_its_pod() {
    let with = |mapping, user_namespace| {
        let mount = Mount {
            mapping,
            ..request("/a")
        };
        let sandbox = SandboxFacts {
            user_namespace,
            ..fixture::sandbox()
        };
        let security = ContainerSecurity::default();
        mounts(&[mount], &security, &sandbox, &fixture::host())
    };
    assert!(with(Some(NAMESPACE), Some(NAMESPACE)).is_ok());
    assert!(with(None, Some(NAMESPACE)).is_ok());
    let other = UserNamespace {
        length: 5,
        ..NAMESPACE
    };
    for pod in [None, Some(other)] {
        let got = with(Some(NAMESPACE), pod);
        assert!(matches!(got, Err(SpecError::OtherMapping(_))), "{pod:?}");
    }
}

#[test]
fn an_image_is_mounted_read_only_and_nothing_else() {
    let volume = Mount {
        host_path: String::new(),
        readonly: true,
        image: Some(ImageSource {
            image: "sha256:a".to_owned(),
            ..Default::default()
        }),
        ..request("/a")
    };
    let lines = plain(std::slice::from_ref(&volume)).unwrap();
    assert_eq!(find(&lines, "/a"), ["sha256:a rbind,rprivate,ro"]);
    for wrong in [
        Mount {
            readonly: false,
            ..volume.clone()
        },
        Mount {
            host_path: "/x".to_owned(),
            ..volume.clone()
        },
        Mount {
            propagation: Propagation::HostToContainer,
            ..volume.clone()
        },
    ] {
        assert!(matches!(plain(&[wrong]), Err(SpecError::ImageVolume(..))));
    }
}

#[test]
fn a_user_namespace_that_does_not_own_the_network_is_shown_the_host_s_sys() {
    let sandbox = SandboxFacts {
        user_namespace: Some(UserNamespace {
            length: 3,
            ..NAMESPACE
        }),
        ..fixture::sandbox()
    };
    let mut security = ContainerSecurity::default();
    security.namespaces.network = NamespaceMode::Node;
    let list = mounts(&[], &security, &sandbox, &fixture::host()).unwrap();
    let at = |path: &str| {
        let mut list = list.iter();
        list.find(|mount| text(mount) == path).unwrap().clone()
    };
    assert_eq!(at("/sys").typ().as_deref(), Some("bind"));
    assert!(
        at("/sys")
            .options()
            .iter()
            .flatten()
            .any(|option| option == "rro")
    );
    let terminals = at("/dev/pts").options().clone().unwrap();
    assert!(
        !terminals.contains(&"gid=5".to_owned()),
        "no group 5 of three"
    );
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
