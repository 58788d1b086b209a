//! The `linux` section: devices, namespaces, sysctls, the seccomp policy, and the rest.

use std::path::Path;

use oci_spec::runtime::{
    Linux, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType, LinuxNamespaceBuilder,
    LinuxNamespaceType, LinuxPidsBuilder, Spec,
};
use podling_proto::nri as wire;
use serde_json::{Value, json};

use super::{AdjustError, refused};
use crate::model::config::Namespaces;
use crate::nri::merge::removed;
use crate::spec::{self, HostDevice};

pub(super) fn change(
    spec: &mut Spec,
    wanted: &wire::LinuxContainerAdjustment,
) -> Result<(), AdjustError> {
    let Some(mut linux) = spec.linux().clone() else {
        return Ok(());
    };
    refuse(&linux, wanted)?;
    devices(&mut linux, &wanted.devices)?;
    if let Some(resources) = &wanted.resources {
        rules_and_pids(&mut linux, resources)?;
    }
    namespaces(&mut linux, &wanted.namespaces)?;
    sysctls(&mut linux, wanted)?;
    net_devices(&mut linux, wanted);
    if let Some(policy) = &wanted.seccomp_policy {
        let policy = serde_json::from_value(seccomp(policy));
        let policy = policy.map_err(|error| refused("seccomp_policy", error.to_string()))?;
        linux.set_seccomp(Some(policy));
    }
    if let Some(policy) = &wanted.memory_policy {
        let text = json!({
            "mode": policy.mode().as_str_name(),
            "nodes": policy.nodes,
            "flags": policy.flags().map(|flag| flag.as_str_name()).collect::<Vec<_>>(),
        });
        let policy = serde_json::from_value(text);
        let policy = policy.map_err(|error| refused("memory_policy", error.to_string()))?;
        linux.set_memory_policy(Some(policy));
    }
    spec.set_linux(Some(linux));
    Ok(())
}

fn refuse(linux: &Linux, wanted: &wire::LinuxContainerAdjustment) -> Result<(), AdjustError> {
    let cgroup = wanted.cgroups_path.as_str();
    let is_its_own = linux.cgroups_path().as_deref() == Some(Path::new(cgroup));
    if !cgroup.is_empty() && !is_its_own {
        let why = "a container's cgroup is that of its pod and its id";
        return Err(refused("cgroups_path", why));
    }
    match &wanted.rdt {
        Some(rdt)
            if rdt.clos_id.is_some()
                || rdt.schemata.is_some()
                || rdt.enable_monitoring.is_some() =>
        {
            Err(refused("rdt", "RDT is not supported"))
        }
        _ => Ok(()),
    }
}

fn devices(linux: &mut Linux, wanted: &[wire::LinuxDevice]) -> Result<(), AdjustError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let mut nodes = linux.devices().clone().unwrap_or_default();
    let mut rules = Vec::new();
    for device in wanted {
        let path = removed(&device.path).unwrap_or(&device.path);
        nodes.retain(|node| node.path() != Path::new(path));
        if removed(&device.path).is_none() {
            let device = host_device(device)?;
            let senseless = |source| AdjustError::Senseless {
                what: format!("device {path:?}"),
                source,
            };
            nodes.push(spec::device_node(&device).map_err(senseless)?);
            rules.push(rule_of(&device));
        }
    }
    linux.set_devices(Some(nodes).filter(|nodes| !nodes.is_empty()));
    add_rules(linux, rules);
    Ok(())
}

fn host_device(device: &wire::LinuxDevice) -> Result<HostDevice, AdjustError> {
    let what = || format!("device {:?}", device.path);
    Ok(HostDevice {
        container_path: device.path.clone(),
        kind: kind(&device.r#type).ok_or_else(|| refused(what(), "its type is neither c nor b"))?,
        major: device.major,
        minor: device.minor,
        mode: device.file_mode.map_or(0o666, |mode| mode.value),
        uid: device.uid.map_or(0, |uid| uid.value),
        gid: device.gid.map_or(0, |gid| gid.value),
        permissions: "rwm".to_owned(),
    })
}

fn kind(letter: &str) -> Option<LinuxDeviceType> {
    match letter {
        "c" | "u" => Some(LinuxDeviceType::C),
        "b" => Some(LinuxDeviceType::B),
        _ => None,
    }
}

fn rule_of(device: &HostDevice) -> LinuxDeviceCgroup {
    let rule = LinuxDeviceCgroupBuilder::default()
        .allow(true)
        .typ(device.kind)
        .major(device.major)
        .minor(device.minor)
        .access(device.permissions.clone())
        .build();
    rule.expect("every field is given")
}

/// Rules of the device cgroup, and how many processes there may be. The other limits were part of
/// the request.
fn rules_and_pids(linux: &mut Linux, wanted: &wire::LinuxResources) -> Result<(), AdjustError> {
    let mut rules = Vec::new();
    for rule in &wanted.devices {
        let kind = match rule.r#type.as_str() {
            "" | "a" => LinuxDeviceType::A,
            letter => kind(letter)
                .ok_or_else(|| refused("device rules", format!("there is no type {letter:?}")))?,
        };
        let access = match rule.access.as_str() {
            "" => "rwm",
            access if access.chars().all(|c| "rwm".contains(c)) => access,
            access => {
                return Err(refused(
                    "device rules",
                    format!("there is no access {access:?}"),
                ));
            }
        };
        let built = LinuxDeviceCgroupBuilder::default()
            .allow(rule.allow)
            .typ(kind)
            .access(access)
            .build();
        let mut built = built.expect("every field has a default");
        built
            .set_major(rule.major.map(|major| major.value))
            .set_minor(rule.minor.map(|minor| minor.value));
        rules.push(built);
    }
    add_rules(linux, rules);
    if let Some(pids) = &wanted.pids {
        let mut resources = linux.resources().clone().unwrap_or_default();
        let limit = LinuxPidsBuilder::default().limit(pids.limit).build();
        let limit = limit.expect("every field is given");
        resources.set_pids(Some(limit).filter(|limit| limit.limit() > 0));
        linux.set_resources(Some(resources));
    }
    Ok(())
}

fn add_rules(linux: &mut Linux, rules: Vec<LinuxDeviceCgroup>) {
    let mut resources = linux.resources().clone().unwrap_or_default();
    let mut all = resources.devices().clone().unwrap_or_default();
    all.extend(rules);
    resources.set_devices(Some(all));
    linux.set_resources(Some(resources));
}

fn namespaces(linux: &mut Linux, wanted: &[wire::LinuxNamespace]) -> Result<(), AdjustError> {
    let mut namespaces = linux.namespaces().clone().unwrap_or_default();
    for namespace in wanted {
        let name = removed(&namespace.r#type).unwrap_or(&namespace.r#type);
        let what = || format!("the {name} namespace");
        let kind = match name {
            "network" => LinuxNamespaceType::Network,
            "pid" => LinuxNamespaceType::Pid,
            "ipc" => LinuxNamespaceType::Ipc,
            "uts" => LinuxNamespaceType::Uts,
            "cgroup" => LinuxNamespaceType::Cgroup,
            "mount" => return Err(refused(what(), "it is always the container's own")),
            "user" => return Err(refused(what(), "it is always the pod's")),
            "time" => return Err(refused(what(), "it is not supported")),
            _ => {
                return Err(refused(
                    format!("namespace {name:?}"),
                    "there is none of this name",
                ));
            }
        };
        namespaces.retain(|known| known.typ() != kind);
        if removed(&namespace.r#type).is_none() {
            let builder = LinuxNamespaceBuilder::default().typ(kind);
            let built = match namespace.path.as_str() {
                "" => builder.build(),
                path => builder.path(path).build(),
            };
            namespaces.push(built.expect("every field has a default"));
        }
    }
    linux.set_namespaces(Some(namespaces));
    Ok(())
}

/// Only those of a namespace that the pod has of its own, as in a pod's request.
fn sysctls(linux: &mut Linux, wanted: &wire::LinuxContainerAdjustment) -> Result<(), AdjustError> {
    let mut all = linux.sysctl().clone().unwrap_or_default();
    for (name, value) in &wanted.sysctl {
        if let Some(name) = removed(name) {
            all.remove(name);
            continue;
        }
        let one = [(name.clone(), value.clone())].into();
        spec::sysctls(&one, &its_own(linux)).map_err(|source| AdjustError::Senseless {
            what: format!("sysctl {name:?}"),
            source,
        })?;
        all.insert(name.clone(), value.clone());
    }
    linux.set_sysctl(Some(all).filter(|all| !all.is_empty()));
    Ok(())
}

/// Which namespaces the container does not share with the host.
fn its_own(linux: &Linux) -> Namespaces {
    use crate::model::config::NamespaceMode::{Node, Pod};
    let has = |kind| {
        let mut all = linux.namespaces().iter().flatten();
        match all.any(|namespace| namespace.typ() == kind) {
            true => Pod,
            false => Node,
        }
    };
    Namespaces {
        network: has(LinuxNamespaceType::Network),
        ipc: has(LinuxNamespaceType::Ipc),
        ..Namespaces::default()
    }
}

fn net_devices(linux: &mut Linux, wanted: &wire::LinuxContainerAdjustment) {
    let mut all = linux.net_devices().clone().unwrap_or_default();
    for (name, device) in &wanted.net_devices {
        match removed(name) {
            Some(name) => drop(all.remove(name)),
            None => {
                let mut moved = oci_spec::runtime::LinuxNetDevice::default();
                moved.set_name(Some(device.name.clone()).filter(|name| !name.is_empty()));
                all.insert(name.clone(), moved);
            }
        }
    }
    linux.set_net_devices(Some(all).filter(|all| !all.is_empty()));
}

/// A policy as a spec has it.
fn seccomp(policy: &wire::LinuxSeccomp) -> Value {
    let calls = policy.syscalls.iter().map(|call| {
        let arguments = call.args.iter().map(|argument| {
            json!({
                "index": argument.index,
                "value": argument.value,
                "valueTwo": argument.value_two,
                "op": argument.op,
            })
        });
        let mut rule = json!({
            "names": call.names,
            "action": call.action,
            "args": arguments.collect::<Vec<_>>(),
        });
        if let Some(errno) = &call.errno_ret {
            rule["errnoRet"] = errno.value.into();
        }
        rule
    });
    let mut text = json!({
        "defaultAction": policy.default_action,
        "architectures": policy.architectures,
        "flags": policy.flags,
        "syscalls": calls.collect::<Vec<_>>(),
    });
    if let Some(errno) = &policy.default_errno {
        text["defaultErrnoRet"] = errno.value.into();
    }
    if !policy.listener_path.is_empty() {
        text["listenerPath"] = policy.listener_path.as_str().into();
        text["listenerMetadata"] = policy.listener_metadata.as_str().into();
    }
    text
}
