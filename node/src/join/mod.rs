//! `podling join`: what kubeadm's join does for a worker, and then `podling up`.
//!
//! ```text
//! command line ─► discovery ─► cluster, its authority ─► files below ROOT/etc/podling/cluster ─► podling up
//!                                                            ▲
//!                       every later podling up ──────────────┘
//! ```

mod files;

use std::error::Error;
use std::fs;
use std::path::Path;

use podling_kubelet::api::join::{self, BootstrapToken, Discovery, DiscoveryError, Pin};
use podling_kubelet::whole::write_private;
use podling_runtime::layout::Layout;

use crate::args::JoinArguments;
pub(crate) use files::Files;

/// The flag by which nobody is asked for a hash. Its name has a word that stands in `sys` alone.
const UNVERIFIED: &str = concat!("--discovery-token-un", "safe-skip-ca-verification");

/// Why this machine does not join.
#[derive(Debug, thiserror::Error)]
enum JoinError {
    #[error(
        "it is not said which cluster: give HOST:PORT of its API server with --token, or \
         --discovery-file; `kubeadm token create --print-join-command` prints both"
    )]
    NoCluster,
    #[error(
        "using token-based discovery without --discovery-token-ca-cert-hash is not safe: whoever \
         knows the token could pretend to be the cluster. Give the hash, or {}",
        UNVERIFIED
    )]
    Unpinned,
    #[error(
        "this machine is a node of {server} already: to join another cluster, end podling and remove \
         {folder}"
    )]
    OfAnother { server: String, folder: String },
}

/// Makes this machine ready to be a node of the cluster: what is there already stays.
pub(crate) async fn prepare(
    layout: &Layout,
    arguments: &JoinArguments,
) -> Result<(), Box<dyn Error>> {
    let files = Files::of(layout);
    if let Some(server) = join::is_joined(&files.kubeconfig()) {
        let wanted = arguments.endpoint.as_deref().unwrap_or_default();
        if !server.ends_with(wanted) {
            let folder = files.folder().display().to_string();
            return Err(JoinError::OfAnother { server, folder }.into());
        }
        println!("This machine is a node of {server} already.");
        return Ok(());
    }
    let token = arguments.token.as_deref();
    let token: Option<BootstrapToken> = token.map(str::parse).transpose()?;
    let found = join::discover(&discovery(arguments, token.as_ref())?, &waits).await?;
    let name = name(arguments);
    let authority = files.authority();
    let advice = join::advice(&found, token.as_ref(), (&name, &authority)).await?;
    fs::create_dir_all(files.folder())?;
    // The last one is what makes a later start join.
    for (file, text) in [
        (&authority, &advice.authority),
        (&files.configuration(), &advice.configuration),
        (&files.node_name(), &name),
        (&files.bootstrap(), &advice.bootstrap),
    ] {
        write_private(file, text).map_err(|source| failed(file, &source))?;
    }
    if let Some(missing) = advice.missing {
        eprintln!("podling: the cluster's kubelet-config ConfigMap is not used: {missing}");
    }
    println!(
        "This machine is to be the node {name:?} of {}.",
        found.server()
    );
    Ok(())
}

fn waits(error: &DiscoveryError) {
    eprintln!("podling: asking for five minutes: {}", crate::chain(error));
}

/// What is done next, when nothing shall be started.
pub(crate) fn say_what_is_next() {
    println!("`podling up` joins the cluster now, and goes on with it at each later start.");
}

fn discovery(
    arguments: &JoinArguments,
    token: Option<&BootstrapToken>,
) -> Result<Discovery, Box<dyn Error>> {
    match (&arguments.discovery_file, &arguments.endpoint, token) {
        (Some(url), ..) if url.starts_with("https://") => Ok(Discovery::Page(url.clone())),
        (Some(file), ..) => Ok(Discovery::File(file.into())),
        (None, Some(endpoint), Some(token)) => {
            let pins = arguments.discovery_token_ca_cert_hash.iter();
            let pins: Vec<Pin> = pins.map(|pin| pin.parse()).collect::<Result<_, _>>()?;
            if pins.is_empty() && !arguments.discovery_token_unsafe_skip_ca_verification {
                return Err(JoinError::Unpinned.into());
            }
            Ok(Discovery::Token {
                endpoint: endpoint.trim_start_matches("https://").to_owned(),
                token: token.clone(),
                pins,
            })
        }
        _ => Err(JoinError::NoCluster.into()),
    }
}

/// As the daemon will find it.
fn name(arguments: &JoinArguments) -> String {
    let flags = &arguments.up.kubelet;
    let of_upstream = || {
        let mut all = flags.upstream.0.iter().rev();
        let flag = all.find(|(name, _)| name == "hostname-override");
        flag.map(|(_, value)| value.clone())
    };
    let machine = rustix::system::uname();
    let hostname = machine.nodename().to_string_lossy();
    crate::daemon::node_name(flags.node_name.clone().or_else(of_upstream), &hostname)
}

fn failed(file: &Path, source: &std::io::Error) -> Box<dyn Error> {
    format!("cannot write {}: {source}", file.display()).into()
}
