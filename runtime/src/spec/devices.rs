//! Which devices a container sees, and which its cgroup lets it open.
//!
//! A container may make any device node (its root file system is mounted so that it can have
//! some), but may open only those on the list: a node for the host's disk is useless to it.

use oci_spec::runtime::{
    LinuxDevice, LinuxDeviceBuilder, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType,
};

use super::path::normalized;
use super::{HostDevice, SpecError};

/// null, zero, full, random, urandom, tty, console, ptmx, and every terminal of devpts.
const DEFAULT: [(i64, Option<i64>); 9] = [
    (1, Some(3)),
    (1, Some(5)),
    (1, Some(7)),
    (1, Some(8)),
    (1, Some(9)),
    (5, Some(0)),
    (5, Some(1)),
    (5, Some(2)),
    (136, None),
];

/// The device nodes to make besides the default ones.
pub(super) fn nodes(devices: &[HostDevice]) -> Result<Vec<LinuxDevice>, SpecError> {
    devices.iter().map(node).collect()
}

/// The cgroup rules, in order: a later one overrides an earlier one.
pub fn rules(
    devices: &[HostDevice],
    privileged: bool,
) -> Result<Vec<LinuxDeviceCgroup>, SpecError> {
    if privileged {
        return Ok(vec![rule(true, LinuxDeviceType::A, None, None, "rwm")]);
    }
    let mut rules = vec![
        rule(false, LinuxDeviceType::A, None, None, "rwm"),
        rule(true, LinuxDeviceType::C, None, None, "m"),
        rule(true, LinuxDeviceType::B, None, None, "m"),
    ];
    for (major, minor) in DEFAULT {
        rules.push(rule(true, LinuxDeviceType::C, Some(major), minor, "rwm"));
    }
    for device in devices {
        let access = checked_permissions(device)?;
        rules.push(rule(
            true,
            device.kind,
            Some(device.major),
            Some(device.minor),
            access,
        ));
    }
    Ok(rules)
}

/// The node of one device.
pub fn node(device: &HostDevice) -> Result<LinuxDevice, SpecError> {
    let fault = |why| SpecError::Device(device.container_path.clone(), why);
    let path = normalized(&device.container_path).map_err(|_| fault("the path is not usable"))?;
    if !path.starts_with("/dev/") {
        return Err(fault("the path is not below /dev"));
    }
    if !matches!(device.kind, LinuxDeviceType::C | LinuxDeviceType::B) {
        return Err(fault("only character and block devices can be given"));
    }
    let node = LinuxDeviceBuilder::default()
        .path(path)
        .typ(device.kind)
        .major(device.major)
        .minor(device.minor)
        .file_mode(device.mode & 0o777)
        .uid(device.uid)
        .gid(device.gid)
        .build();
    Ok(node.expect("every field has a default"))
}

fn checked_permissions(device: &HostDevice) -> Result<&str, SpecError> {
    let permissions = device.permissions.as_str();
    if permissions.is_empty() || permissions.contains(|c| !matches!(c, 'r' | 'w' | 'm')) {
        let path = device.container_path.clone();
        return Err(SpecError::Device(path, "permissions are any of r, w and m"));
    }
    Ok(permissions)
}

fn rule(
    allow: bool,
    kind: LinuxDeviceType,
    major: Option<i64>,
    minor: Option<i64>,
    access: &str,
) -> LinuxDeviceCgroup {
    let mut rule = LinuxDeviceCgroupBuilder::default()
        .allow(allow)
        .typ(kind)
        .access(access)
        .build()
        .expect("every field has a default");
    rule.set_major(major);
    rule.set_minor(minor);
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(path: &str, permissions: &str) -> HostDevice {
        HostDevice {
            container_path: path.to_owned(),
            kind: LinuxDeviceType::B,
            major: 8,
            minor: 1,
            mode: 0o60660,
            uid: 0,
            gid: 6,
            permissions: permissions.to_owned(),
        }
    }

    fn lines(rules: &[LinuxDeviceCgroup]) -> Vec<String> {
        rules.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_container_may_make_any_node_and_open_few() {
        let rules = lines(&rules(&[], false).unwrap());
        assert_eq!(rules[..4], ["a *:* rwm", "c *:* m", "b *:* m", "c 1:3 rwm"]);
        assert_eq!(rules.last().unwrap(), "c 136:* rwm");
        assert_eq!(rules.iter().filter(|rule| rule.starts_with('b')).count(), 1);
    }

    #[test]
    fn a_requested_device_is_made_and_allowed_as_far_as_asked() {
        let devices = [device("/dev//sda1", "r")];
        assert_eq!(
            lines(&rules(&devices, false).unwrap()).last().unwrap(),
            "b 8:1 r"
        );
        let nodes = nodes(&devices).unwrap();
        assert_eq!(nodes[0].path().to_str(), Some("/dev/sda1"));
        assert_eq!(nodes[0].file_mode(), Some(0o660));
    }

    #[test]
    fn a_privileged_container_may_open_everything() {
        assert_eq!(
            lines(&rules(&[device("/dev/sda", "rwm")], true).unwrap()),
            ["a *:* rwm"]
        );
    }

    #[test]
    fn odd_paths_and_permissions_are_refused() {
        for path in ["/etc/passwd", "/dev/../etc/x", "dev/x", "/dev", "/devil"] {
            assert!(nodes(&[device(path, "r")]).is_err(), "{path}");
        }
        for permissions in ["", "x", "rw m", "rwm\n"] {
            assert!(
                rules(&[device("/dev/x", permissions)], false).is_err(),
                "{permissions:?}"
            );
        }
    }
}
