//! Compiles the contracts, and the service beside them, with protox, so that no protoc is needed.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message;

const CRI: &str = "proto/runtime/v1/api.proto";
const NRI: &str = "proto/nri/v1alpha1/nri.proto";
const TTRPC: &str = "proto/ttrpc/ttrpc.proto";
const NODE: &str = "proto/podling/v1/node.proto";
const DEVICES: &str = "proto/deviceplugin/v1beta1/api.proto";
const PLUGINS: &str = "proto/pluginregistration/api.proto";
const HOLDINGS: &str = "proto/podresources/v1/api.proto";
const STORAGE: &str = "proto/csi/v1/csi.proto";

fn main() -> Result<(), Box<dyn Error>> {
    for file in [CRI, NRI, TTRPC, NODE, DEVICES, PLUGINS, HOLDINGS, STORAGE] {
        println!("cargo::rerun-if-changed={file}");
    }
    let contracts = protox::compile([CRI, NRI], ["proto"])?;
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out_dir.join("descriptors.bin"), contracts.encode_to_vec())?;

    tonic_prost_build::configure()
        // Ordered maps make equal messages equal bytes.
        .btree_map(".")
        .compile_fds(protox::compile([CRI], ["proto"])?)?;
    // NRI is not spoken over HTTP: only its messages are of use.
    tonic_prost_build::configure()
        .btree_map(".")
        .build_client(false)
        .build_server(false)
        .compile_fds(protox::compile([NRI, TTRPC], ["proto"])?)?;
    tonic_prost_build::configure().compile_fds(protox::compile([NODE], ["proto"])?)?;
    for file in [DEVICES, PLUGINS, HOLDINGS, STORAGE] {
        tonic_prost_build::configure()
            .btree_map(".")
            .compile_fds(protox::compile([file], ["proto"])?)?;
    }
    Ok(())
}
