//! Compiles the contract, and the service beside it, with protox, so that no protoc is needed.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message;

const CONTRACT: &str = "proto/runtime/v1/api.proto";
const NODE: &str = "proto/podling/v1/node.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={CONTRACT}");
    println!("cargo::rerun-if-changed={NODE}");
    let files = protox::compile([CONTRACT], ["proto"])?;

    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out_dir.join("descriptors.bin"), files.encode_to_vec())?;

    tonic_prost_build::configure()
        // Ordered maps make equal messages equal bytes.
        .btree_map(".")
        .compile_fds(files)?;
    tonic_prost_build::configure().compile_fds(protox::compile([NODE], ["proto"])?)?;
    Ok(())
}
