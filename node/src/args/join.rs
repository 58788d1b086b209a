//! `podling join`.

use clap::Args;

use super::UpArguments;

/// `podling join`.
#[derive(Clone, Debug, Args)]
pub(crate) struct JoinArguments {
    /// The cluster's API server.
    #[arg(value_name = "HOST:PORT")]
    pub(crate) endpoint: Option<String>,
    /// Bootstrap token: whose holder proves to be the cluster, and may ask for the node's certificate.
    #[arg(long, value_name = "ID.SECRET")]
    pub(crate) token: Option<String>,
    /// Digest of the public key of the cluster's authority; may be repeated.
    #[arg(long, value_name = "sha256:DIGITS")]
    pub(crate) discovery_token_ca_cert_hash: Vec<String>,
    /// Trust whoever knows the token.
    #[arg(long)]
    pub(crate) discovery_token_unsafe_skip_ca_verification: bool,
    /// Kubeconfig, or an https URL of one, that says where the cluster is and whom to trust.
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) discovery_file: Option<String>,
    /// Only write down what is needed, for a later `podling up`.
    #[arg(long)]
    pub(crate) no_start: bool,
    /// The node that is started then.
    #[command(flatten)]
    pub(crate) up: UpArguments,
}
