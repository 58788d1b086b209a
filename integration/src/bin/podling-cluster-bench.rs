//! Measures the nodes of a cluster: `podling-cluster-bench --help`.

use std::process::ExitCode;

use clap::Parser;
use podling_integration::bench::chain;
use podling_integration::bench::cluster::options::Options;
use podling_integration::bench::cluster::{self, report};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match cluster::run(&Options::parse()).await {
        Ok(figures) => {
            print!("{}", report::table(&figures));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("podling-cluster-bench: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}
