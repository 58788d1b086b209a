//! The CRI v1 wire contract, as of cri-api v0.37: messages, clients and servers.
//!
//! The contract is `proto/runtime/v1/api.proto`; `tests/facts.txt` lists each of its names, numbers
//! and types, and a test holds the one against the other.

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

/// The compiled contract: an encoded `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
