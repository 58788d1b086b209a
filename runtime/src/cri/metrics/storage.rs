//! The writable layer, its file system, and block devices.
#![deny(clippy::disallowed_methods)]

use super::family::{Facts, Family, Kind, OfContainer, Values};
use crate::stats::FileSystem;
use crate::stats::usage::DeviceIo;

pub(super) const FAMILIES: [Family<OfContainer>; 9] = [
    Family {
        name: "container_fs_usage_bytes",
        help: "What the container has written to its root file system, in bytes; counted in the background.",
        kind: Kind::Gauge,
        labels: &["device"],
        values: written,
    },
    Family {
        name: "container_fs_limit_bytes",
        help: "Size of the file system that the container writes to, in bytes.",
        kind: Kind::Gauge,
        labels: &["device"],
        values: |facts, values| {
            let size = size(facts)?;
            values.labelled(&[&size.device], size.bytes)
        },
    },
    Family {
        name: "container_fs_inodes_total",
        help: "Inodes of the file system that the container writes to.",
        kind: Kind::Gauge,
        labels: &["device"],
        values: |facts, values| {
            let size = size(facts)?;
            values.labelled(&[&size.device], size.inodes)
        },
    },
    Family {
        name: "container_fs_inodes_free",
        help: "Free inodes of the file system that the container writes to.",
        kind: Kind::Gauge,
        labels: &["device"],
        values: |facts, values| {
            let size = size(facts)?;
            values.labelled(&[&size.device], size.free_inodes)
        },
    },
    Family {
        name: "container_fs_reads_total",
        help: "Reads from a block device.",
        kind: Kind::Counter,
        labels: &["device"],
        values: |facts, values| each(facts, values, |device| device.reads),
    },
    Family {
        name: "container_fs_reads_bytes_total",
        help: "Bytes read from a block device.",
        kind: Kind::Counter,
        labels: &["device"],
        values: |facts, values| each(facts, values, |device| device.read_bytes),
    },
    Family {
        name: "container_fs_writes_total",
        help: "Writes to a block device.",
        kind: Kind::Counter,
        labels: &["device"],
        values: |facts, values| each(facts, values, |device| device.writes),
    },
    Family {
        name: "container_fs_writes_bytes_total",
        help: "Bytes written to a block device.",
        kind: Kind::Counter,
        labels: &["device"],
        values: |facts, values| each(facts, values, |device| device.written_bytes),
    },
    Family {
        name: "container_blkio_device_usage_total",
        help: "Bytes that went to or from a block device.",
        kind: Kind::Counter,
        labels: &["device", "major", "minor", "operation"],
        values: operations,
    },
];

fn size<'a>(facts: &Facts<'a>) -> Option<&'a FileSystem> {
    facts.storage.file_system.as_ref()
}

fn written(facts: &Facts<'_>, values: &mut Values) -> Option<()> {
    let layer = facts.reading.layer?;
    values.earlier(&[&size(facts)?.device], layer.bytes, layer.at)
}

fn each(facts: &Facts<'_>, values: &mut Values, of: fn(&DeviceIo) -> u64) -> Option<()> {
    for device in &facts.usage()?.devices {
        let name = facts.storage.disks.name(device.major, device.minor);
        values.labelled(&[&name], of(device))?;
    }
    Some(())
}

fn operations(facts: &Facts<'_>, values: &mut Values) -> Option<()> {
    for device in &facts.usage()?.devices {
        let name = facts.storage.disks.name(device.major, device.minor);
        let (major, minor) = (device.major.to_string(), device.minor.to_string());
        for (operation, bytes) in [("read", device.read_bytes), ("write", device.written_bytes)] {
            values.labelled(&[&name, &major, &minor, operation], bytes)?;
        }
    }
    Some(())
}
