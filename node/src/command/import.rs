//! `podling import`: the daemon reads the archive, so its path is made absolute here.

use std::path::PathBuf;
use std::process::ExitCode;

use podling_runtime::layout::Layout;

use super::{Outcome, output};
use crate::cri;

pub(super) async fn run(layout: &Layout, archives: &[PathBuf]) -> Outcome {
    let channel = cri::connect(&layout.socket()).await?;
    for archive in archives {
        let archive = std::path::absolute(archive)?;
        for name in cri::import(channel.clone(), &archive).await? {
            output::print(&format!("{name}\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
