//! What is said to drivers, and what they say, in their messages and in our words.
#![deny(clippy::disallowed_methods)]

use podling_proto::csi as v1;
use podling_proto::csi::node_service_capability::Type;
use podling_proto::csi::node_service_capability::rpc::Type as Call;
use podling_proto::csi::volume_capability::access_mode::Mode;
use podling_proto::csi::volume_capability::{AccessMode, AccessType, BlockVolume, MountVolume};
use podling_proto::csi::volume_usage::Unit;

use crate::csi::drivers::NodeInfo;
use crate::csi::{Larger, Wanted};
use crate::model::{self, VolumeMode};
use crate::summary::Room;

/// What a driver can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::csi) struct Capabilities {
    /// It stages volumes before it publishes them.
    pub(in crate::csi) stages: bool,
    /// It tells pods of a node apart.
    tells_pods_apart: bool,
    /// It makes volumes larger.
    pub(in crate::csi) grows: bool,
    /// It tells how full volumes are.
    pub(in crate::csi) measures: bool,
    /// It gives files to a group itself.
    pub(in crate::csi) gives_to_groups: bool,
}

pub(super) fn capabilities(answer: v1::NodeGetCapabilitiesResponse) -> Capabilities {
    let calls: Vec<_> = answer
        .capabilities
        .into_iter()
        .filter_map(|one| one.r#type.map(|Type::Rpc(rpc)| rpc.r#type()))
        .collect();
    let can = |call| calls.contains(&call);
    Capabilities {
        stages: can(Call::StageUnstageVolume),
        tells_pods_apart: can(Call::SingleNodeMultiWriter),
        grows: can(Call::ExpandVolume),
        measures: can(Call::GetVolumeStats),
        gives_to_groups: can(Call::VolumeMountGroup),
    }
}

pub(super) fn node_info(info: v1::NodeGetInfoResponse) -> NodeInfo {
    NodeInfo {
        id: info.node_id,
        most_volumes: info.max_volumes_per_node,
        topology: info.accessible_topology.unwrap_or_default().segments,
    }
}

/// How full a volume is.
pub(super) fn room(answer: v1::NodeGetVolumeStatsResponse) -> Room {
    let mut room = Room::default();
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    for usage in answer.usage {
        match usage.unit() {
            Unit::Bytes => {
                room.capacity = count(usage.total);
                room.used = count(usage.used);
                room.available = count(usage.available);
            }
            Unit::Inodes => {
                room.inodes = count(usage.total);
                room.inodes_used = count(usage.used);
                room.inodes_free = count(usage.available);
            }
            Unit::Unknown => {}
        }
    }
    room
}

/// How a volume is used.
pub(super) fn volume(wanted: &Wanted, can: Capabilities) -> v1::VolumeCapability {
    let access_type = match wanted.mode {
        VolumeMode::Block => AccessType::Block(BlockVolume {}),
        VolumeMode::Filesystem => {
            let group = wanted.group.filter(|_| can.gives_to_groups);
            AccessType::Mount(MountVolume {
                fs_type: wanted.fs_type.clone(),
                mount_flags: wanted.mount_options.clone(),
                volume_mount_group: group.map(|one| one.id.to_string()).unwrap_or_default(),
            })
        }
    };
    let mode = access_mode(wanted.access, can);
    v1::VolumeCapability {
        access_type: Some(access_type),
        access_mode: Some(AccessMode { mode: mode.into() }),
    }
}

/// How a volume that becomes larger is used.
pub(super) fn larger(larger: &Larger, can: Capabilities) -> v1::VolumeCapability {
    let access_type = match larger.mode {
        VolumeMode::Block => AccessType::Block(BlockVolume {}),
        VolumeMode::Filesystem => AccessType::Mount(MountVolume {
            fs_type: larger.fs_type.clone(),
            mount_flags: larger.mount_options.clone(),
            ..MountVolume::default()
        }),
    };
    let mode = access_mode(larger.access, can);
    v1::VolumeCapability {
        access_type: Some(access_type),
        access_mode: Some(AccessMode { mode: mode.into() }),
    }
}

fn access_mode(access: model::AccessMode, can: Capabilities) -> Mode {
    match (access, can.tells_pods_apart) {
        (model::AccessMode::ReadOnlyMany, _) => Mode::MultiNodeReaderOnly,
        (model::AccessMode::ReadWriteMany, _) => Mode::MultiNodeMultiWriter,
        (model::AccessMode::ReadWriteOnce, true) => Mode::SingleNodeMultiWriter,
        (model::AccessMode::ReadWriteOncePod, true) => Mode::SingleNodeSingleWriter,
        (model::AccessMode::ReadWriteOnce | model::AccessMode::ReadWriteOncePod, false) => {
            Mode::SingleNodeWriter
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AccessMode as Access;

    #[test]
    fn access_modes_become_those_of_drivers() {
        let plain = Capabilities::default();
        let apart = Capabilities {
            tells_pods_apart: true,
            ..plain
        };
        let rows = [
            (Access::ReadWriteOnce, plain, Mode::SingleNodeWriter),
            (Access::ReadWriteOncePod, plain, Mode::SingleNodeWriter),
            (Access::ReadWriteOnce, apart, Mode::SingleNodeMultiWriter),
            (
                Access::ReadWriteOncePod,
                apart,
                Mode::SingleNodeSingleWriter,
            ),
            (Access::ReadOnlyMany, apart, Mode::MultiNodeReaderOnly),
            (Access::ReadWriteMany, plain, Mode::MultiNodeMultiWriter),
        ];
        for (access, can, expected) in rows {
            assert_eq!(access_mode(access, can), expected, "{access:?} {can:?}");
        }
    }
}
