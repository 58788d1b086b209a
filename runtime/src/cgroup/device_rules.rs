//! Which devices a cgroup's processes may open: files on v1, a program on v2.

use std::error::Error;
use std::path::PathBuf;

use cgroups_rs::fs::devices::{DevicePermissions, DeviceType, DevicesController};
use cgroups_rs::fs::{Cgroup, Subsystem};
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};
use rustix::fs::{Mode, OFlags};

use super::device_program;
use crate::sys::bpf;

type Failure = Box<dyn Error + Send + Sync>;

/// Puts the rules in force; no rules leave what the parent allows.
pub(super) fn apply(
    cgroup: &Cgroup,
    directories: &[PathBuf],
    rules: &[LinuxDeviceCgroup],
) -> Result<(), Failure> {
    if rules.is_empty() {
        return Ok(());
    }
    if cgroup.v2() {
        let [directory] = directories else {
            return Err("v2 has one hierarchy".into());
        };
        return attach(directory, rules);
    }
    let devices = cgroup
        .subsystems()
        .iter()
        .find_map(|subsystem| match subsystem {
            Subsystem::Devices(controller) => Some(controller),
            _ => None,
        });
    // Without the controller nothing would stop a container from opening the host's disks.
    let devices = devices.ok_or("the devices controller is not mounted")?;
    rules.iter().try_for_each(|rule| write(devices, rule))
}

/// Attaches a program to a v2 cgroup's directory.
pub(super) fn attach(directory: &PathBuf, rules: &[LinuxDeviceCgroup]) -> Result<(), Failure> {
    let Some(program) = device_program::assemble(rules)? else {
        return Ok(());
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory, flags, Mode::empty())?;
    let program = bpf::load_device_program(&program)?;
    bpf::attach_device_program(&directory, &program)?;
    Ok(())
}

fn write(controller: &DevicesController, rule: &LinuxDeviceCgroup) -> Result<(), Failure> {
    let kind = match rule.typ().unwrap_or_default() {
        LinuxDeviceType::A => DeviceType::All,
        LinuxDeviceType::B => DeviceType::Block,
        LinuxDeviceType::C | LinuxDeviceType::U => DeviceType::Char,
        LinuxDeviceType::P => return Err("a pipe is not a device".into()),
    };
    let major = rule.major().unwrap_or(-1);
    let minor = rule.minor().unwrap_or(-1);
    let access = DevicePermissions::from_str(rule.access().as_deref().unwrap_or("rwm"))?;
    if rule.allow() {
        controller.allow_device(kind, major, minor, &access)?;
    } else {
        controller.deny_device(kind, major, minor, &access)?;
    }
    Ok(())
}
