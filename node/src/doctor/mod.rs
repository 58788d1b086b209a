//! `podling doctor`: what this machine has and lacks for a node, and how to mend it.
//!
//! ```text
//! gather (trials, files, sockets) ─► Facts ─► verdict (pure) ─► findings ─► table or JSON
//! ```
//!
//! Whether the kernel can do something is tried, never guessed from its version.

mod facts;
mod finding;
mod gather;
mod verdict;

use std::process::ExitCode;

use podling_runtime::layout::Layout;

use crate::args::{DoctorArguments, DoctorFormat};

/// Examines the machine; the text to print, and whether a node can run here.
pub(crate) async fn run(layout: &Layout, arguments: &DoctorArguments) -> (String, ExitCode) {
    let facts = gather::facts(layout, arguments.config.as_deref()).await;
    let findings = verdict::of(&facts);
    let code = match finding::is_fit(&findings) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    };
    let text = match arguments.output {
        Some(DoctorFormat::Json) => finding::json(&findings),
        None => finding::table(&findings),
    };
    (text, code)
}
