//! Measures a whole node: `podling-node-bench --help`.

use std::process::ExitCode;

use clap::Parser;
use podling_integration::bench::chain;
use podling_integration::bench::node::options::Options;
use podling_integration::bench::node::{self, report};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match node::run(&Options::parse()).await {
        Ok(figures) => {
            print!("{}", report::table(&figures));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("podling-node-bench: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}
