//! Devices, made and allowed, as a container meets them.

mod pod;

use oci_spec::runtime::LinuxDeviceType;
use podling_runtime::host;
use podling_runtime::spec::{DeviceMount, HostDevice};

use pod::Pod;
use pod::described::Description;

/// A device of a major number that no driver has: opening it is ENXIO where the cgroup allows it,
/// and EPERM where not.
fn nobodys(container_path: &str, minor: i64, permissions: &str) -> HostDevice {
    HostDevice {
        container_path: container_path.to_owned(),
        kind: LinuxDeviceType::C,
        major: 240,
        minor,
        mode: 0o640,
        uid: 5,
        gid: 6,
        permissions: permissions.to_owned(),
    }
}

const ALLOWED: &str = "No such device or address";
const FORBIDDEN: &str = "Operation not permitted";

#[tokio::test]
async fn a_device_can_be_opened_as_far_as_it_is_given() {
    let mut pod = Pod::start().await;
    let script = "busybox ls -ln /dev/some/mine; cat /dev/some/mine
        (echo x > /dev/some/mine); cat /dev/all; (echo x > /dev/all)
        busybox mknod /dev/other c 240 79 && cat /dev/other; cat /dev/null && echo null";
    let mut description = Description::of(script);
    description.devices = vec![
        nobodys("/dev/some/mine", 77, "r"),
        nobodys("/dev/all", 78, "rwm"),
    ];
    let container = pod.described(&description).expect("a container");
    pod.launch(&container).await.expect("a launch");
    pod.ended(container.id()).await;
    let log = pod.log();
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[0].contains("crw-r-----"), "{log}");
    assert!(lines[0].contains("5        6         240,  77"), "{log}");
    let expected = [ALLOWED, FORBIDDEN, ALLOWED, ALLOWED, FORBIDDEN, "null"];
    for (line, expected) in lines[1..].iter().zip(expected) {
        assert!(line.contains(expected), "{expected}: {log}");
    }
    assert_eq!(lines.len(), 7, "{log}");
}

#[tokio::test]
async fn a_privileged_container_has_every_device_of_the_host() {
    let mut pod = Pod::start().await;
    let script = "busybox mknod /dev/other c 240 79 && cat /dev/other; ls /dev; sleep 1000";
    let mut description = Description::of(script);
    description.config.security.privileged = true;
    description.devices = host::all_devices().expect("the host's devices");
    let paths: Vec<String> = description
        .devices
        .iter()
        .map(|device| device.container_path.clone())
        .collect();
    let container = pod.described(&description).expect("a container");
    let pid = pod.launch(&container).await.expect("a launch");
    pod.wait_for_log(ALLOWED).await;
    for path in paths {
        let there = std::path::PathBuf::from(format!("/proc/{pid}/root{path}"));
        assert!(there.exists(), "{path}");
    }
}

#[tokio::test]
async fn what_comes_with_a_device_is_mounted() {
    let mut pod = Pod::start().await;
    let library = pod.dir.path().join("library");
    std::fs::create_dir(&library).expect("a directory");
    std::fs::write(library.join("driver"), "of the vendor\n").expect("a file");
    let mut description =
        Description::of("cat /lib/vendor/driver; (echo x > /lib/vendor/driver) || echo read-only");
    description.device_mounts = vec![DeviceMount {
        host_path: library.display().to_string(),
        container_path: "/lib/vendor".to_owned(),
        options: ["ro", "nosuid", "nodev", "bind"]
            .map(str::to_owned)
            .to_vec(),
    }];
    let container = pod.described(&description).expect("a container");
    pod.launch(&container).await.expect("a launch");
    pod.ended(container.id()).await;
    let log = pod.log();
    assert!(log.contains("of the vendor"), "{log}");
    assert!(log.contains("F read-only"), "{log}");
}
