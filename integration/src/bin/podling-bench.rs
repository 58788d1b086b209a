//! Measures CRI runtimes and the floor below them: `podling-bench --help`.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use podling_integration::bench::options::Options;
use podling_integration::bench::{self, chain, floor, report};

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.floor_worker {
        Some(scratch) => floor::serve(scratch, options.network).map_err(Box::from),
        None => measure(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("podling-bench: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<(), Box<dyn Error>> {
    let rows = bench::run(options)?;
    if options.json {
        println!("{:#}", report::json(&rows));
    } else {
        print!("{}", report::tables(&rows));
    }
    Ok(())
}
