//! `podling rmi`.

use std::process::ExitCode;

use podling_runtime::layout::Layout;

use super::{Outcome, output};
use crate::cri::{self, Removed};

/// Removes each image; fails when one was not there, but not before the others are gone.
pub(super) async fn run(layout: &Layout, images: &[String]) -> Outcome {
    let channel = cri::connect(&layout.socket()).await?;
    let mut code = ExitCode::SUCCESS;
    for image in images {
        match cri::remove_image(channel.clone(), image).await? {
            Removed::Names(names) => {
                for name in names {
                    output::print(&format!("{name}\n"))?;
                }
            }
            Removed::Nothing => {
                eprintln!("podling: no such image: {image}");
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
