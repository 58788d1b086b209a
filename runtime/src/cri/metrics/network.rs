//! A pod's interfaces.
#![deny(clippy::disallowed_methods)]

use super::family::{Family, Kind, OfInterface};

pub(super) const FAMILIES: [Family<OfInterface>; 8] = [
    Family {
        name: "container_network_receive_bytes_total",
        help: "Bytes received.",
        kind: Kind::Counter,
        labels: &["interface"],
        values: |interface| interface.received.bytes,
    },
    Family {
        name: "container_network_receive_packets_total",
        help: "Packets received.",
        kind: Kind::Counter,
        labels: &["interface"],
        values: |interface| interface.received.packets,
    },
    Family {
        name: "container_network_receive_packets_dropped_total",
        help: "Packets dropped instead of being received.",
        kind: Kind::Counter,
        labels: &["interface"],
        values: |interface| interface.received.dropped,
    },
    Family {
        name: "container_network_receive_errors_total",
        help: "Errors in packets to be received.",
        kind: Kind::Counter,
        labels: &["interface"],
        values: |interface| interface.received.errors,
    },
    Family {
        name: "container_network_transmit_bytes_total",
        help: "Bytes sent.",
        kind: Kind::Counter,
        labels: &["interface"],
        values: |interface| interface.sent.bytes,
    },
    Family {
        name: "container_network_transmit_packets_total",
        help: "Packets sent.",
        kind: Kind::Counter,
        labels: &["interface"],
        values: |interface| interface.sent.packets,
    },
    Family {
        name: "container_network_transmit_packets_dropped_total",
        help: "Packets dropped instead of being sent.",
        kind: Kind::Counter,
        labels: &["interface"],
        values: |interface| interface.sent.dropped,
    },
    Family {
        name: "container_network_transmit_errors_total",
        help: "Errors in packets to be sent.",
        kind: Kind::Counter,
        labels: &["interface"],
        values: |interface| interface.sent.errors,
    },
];
