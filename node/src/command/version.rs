//! `podling version`.

use podling_runtime::layout::Layout;

use super::{Outcome, output};
use crate::cri::{self, ConnectError};

pub(super) async fn run(layout: &Layout) -> Outcome {
    let daemon = match cri::connect(&layout.socket()).await {
        Ok(channel) => cri::runtime_version(channel).await?,
        // Without a daemon there is still a version to tell.
        Err(ConnectError::NotRunning(_)) => "not running".to_owned(),
        Err(error) => return Err(error.into()),
    };
    output::print(&format!(
        "command: podling {}\ndaemon:  {daemon}\n",
        env!("CARGO_PKG_VERSION")
    ))
}
