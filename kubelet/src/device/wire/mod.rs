//! Device plugins on the wire: the only place of the kubelet that knows their messages.

mod client;
mod server;

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use podling_proto::Message;
use podling_proto::deviceplugin as v1beta1;

use super::books::{Device, Health, Options};
use super::grant::{Grant, GrantedDevice, GrantedMount};

pub(super) use client::Plugin;
pub(super) use server::serve;

/// The version of the contract.
pub(super) const VERSION: &str = "v1beta1";

/// A plugin wants to be known, and is told whether it is.
pub(super) type Knock = (Introduction, oneshot::Sender<Result<(), String>>);

/// How a plugin came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It registers with the kubelet.
    Registers,
    /// Its socket was found.
    Found,
}

/// A plugin that wants to be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Introduction {
    /// How it came.
    pub(super) way: Way,
    /// The resource that it hands out.
    pub(super) resource: String,
    /// The name of its socket in the kubelet's directory, or a path.
    pub(super) endpoint: String,
    /// The versions of the contract that it speaks.
    pub(super) versions: Vec<String>,
}

fn devices(response: v1beta1::ListAndWatchResponse) -> BTreeMap<String, Device> {
    let devices = response.devices.into_iter();
    devices
        .map(|device| {
            let nodes = device.topology.into_iter().flat_map(|one| one.nodes);
            let known = Device {
                health: match device.health.as_str() {
                    "Healthy" => Health::Healthy,
                    _ => Health::Unhealthy,
                },
                nodes: nodes.map(|node| node.id).collect(),
            };
            (device.id, known)
        })
        .collect()
}

fn options(options: &v1beta1::DevicePluginOptions) -> Options {
    Options {
        pre_start: options.pre_start_required,
        preferred: options.get_preferred_allocation_available,
    }
}

/// What an answer that was kept gives; nothing when it cannot be read.
pub(super) fn granted(answer: &[u8]) -> Grant {
    let response = v1beta1::ContainerAllocateResponse::decode(answer).unwrap_or_default();
    Grant {
        envs: response.envs,
        mounts: response
            .mounts
            .into_iter()
            .map(|mount| GrantedMount {
                container_path: mount.container_path,
                host_path: mount.host_path,
                read_only: mount.read_only,
            })
            .collect(),
        devices: response
            .devices
            .into_iter()
            .map(|device| GrantedDevice {
                container_path: device.container_path,
                host_path: device.host_path,
                permissions: device.permissions,
            })
            .collect(),
        annotations: response.annotations,
        cdi: response
            .cdi_devices
            .into_iter()
            .map(|one| one.name)
            .collect(),
    }
}
