//! The wire contracts: CRI v1, as of cri-api v0.37, with clients and servers, and the messages of the
//! Node Resource Interface, as of NRI v0.12.
//!
//! The contracts are `proto/runtime/v1/api.proto` and `proto/nri/v1alpha1/nri.proto`;
//! `tests/facts.txt` and `tests/nri_facts.txt` list each of their names, numbers and types, and a
//! test holds the one against the other.

#![forbid(unsafe_code)]

/// What every message can: be encoded, decoded and measured.
pub use prost::Message;

/// The `runtime` package of the contract.
pub mod runtime {
    /// Version 1: every message, `runtime_service_{client,server}` and `image_service_{client,server}`.
    #[expect(
        clippy::allow_attributes,
        clippy::too_many_lines,
        missing_docs,
        unused_qualifications,
        reason = "generated from the contract, which documents itself"
    )]
    pub mod v1 {
        tonic::include_proto!("runtime.v1");
    }
}

/// The `podling` package: what the podling command asks of a daemon and CRI has no word for.
pub mod podling {
    /// Version 1: `node_client` and `node_server`.
    #[expect(
        clippy::allow_attributes,
        clippy::too_many_lines,
        missing_docs,
        unused_qualifications,
        reason = "generated from proto/podling/v1/node.proto, which documents itself"
    )]
    pub mod v1 {
        tonic::include_proto!("podling.v1");
    }
}

/// Device plugins, v1beta1: `registration_server`, `device_plugin_client` and the other halves.
#[expect(
    clippy::allow_attributes,
    clippy::too_many_lines,
    missing_docs,
    unused_qualifications,
    reason = "generated from proto/deviceplugin/v1beta1/api.proto, which documents itself"
)]
pub mod deviceplugin {
    tonic::include_proto!("v1beta1");
}

/// Which pods have which devices, v1.
#[expect(
    clippy::allow_attributes,
    clippy::too_many_lines,
    missing_docs,
    unused_qualifications,
    reason = "generated from proto/podresources/v1/api.proto, which documents itself"
)]
pub mod podresources {
    tonic::include_proto!("v1");
}

/// The Container Storage Interface, v1: what drivers serve on each node.
#[expect(
    clippy::allow_attributes,
    clippy::too_many_lines,
    missing_docs,
    unused_qualifications,
    reason = "generated from proto/csi/v1/csi.proto, which documents itself"
)]
pub mod csi {
    tonic::include_proto!("csi.v1");
}

/// Plugins that are found by their sockets, v1.
#[expect(
    clippy::allow_attributes,
    clippy::too_many_lines,
    missing_docs,
    unused_qualifications,
    reason = "generated from proto/pluginregistration/api.proto, which documents itself"
)]
pub mod pluginregistration {
    tonic::include_proto!("pluginregistration");
}

/// The Node Resource Interface, v1alpha1: messages alone, for ttrpc has services of its own.
#[expect(
    missing_docs,
    reason = "generated from proto/nri/v1alpha1/nri.proto, which documents itself"
)]
pub mod nri {
    tonic::include_proto!("nri.pkg.api.v1alpha1");
}

/// What ttrpc puts into its frames.
#[expect(
    missing_docs,
    reason = "generated from proto/ttrpc/ttrpc.proto, which documents itself"
)]
pub mod ttrpc {
    tonic::include_proto!("ttrpc");
}

/// The compiled contracts: an encoded `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
