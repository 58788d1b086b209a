//! The flags of the Node Resource Interface.

use std::path::PathBuf;

use clap::Args;

/// What concerns plugins of the Node Resource Interface.
#[derive(Clone, Debug, Args)]
pub(crate) struct NriArguments {
    /// Where plugins of the Node Resource Interface connect [default: ROOT/var/run/nri/nri.sock].
    #[arg(long, value_name = "SOCKET")]
    pub(crate) nri_socket: Option<PathBuf>,
    /// Leave plugins alone that have not answered after so many seconds [default: 2].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) nri_request_timeout: Option<u32>,
    /// Have no plugins of the Node Resource Interface.
    #[arg(long, conflicts_with_all = ["nri_socket", "nri_request_timeout"])]
    pub(crate) disable_nri: bool,
}
