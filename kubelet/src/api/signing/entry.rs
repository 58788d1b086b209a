//! How the API server is asked for the first time: with what the kubeconfig says, or with what the
//! bootstrap kubeconfig says until there is a certificate of the node's own.
//!
//! ```text
//!                      kubeconfig is good             it is not, or not there
//! nothing chosen       as it says                     an error
//! bootstrap            as it says                     written anew; a certificate is asked for
//! rotateCertificates   its certificate, then others   (with bootstrap) the same
//! ```

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tokio::sync::watch;
use tracing::{info, warn};

use super::keeper::{Keeper, KeeperParts, Renewal, WishSource};
use crate::api::client::{Client, Pace, bytes};
use crate::api::kubeconfig::{Kubeconfig, Material, User, write};
use crate::api::{ClusterSettings, JoinError, read_kubeconfig};
use crate::causes::chain;
use crate::certificate::{Leaf, Shelf, Wish, certificates_of};
use crate::metrics::CertificateMetrics;
use crate::whole::write_private;

/// The way to the API server.
pub(in crate::api) struct Entry {
    pub(in crate::api) client: Client,
    /// Keeps the certificate that it shows.
    pub(in crate::api) keeper: Option<Keeper>,
}

/// Why a kubeconfig is not good enough to do without the bootstrap kubeconfig: words for the log.
pub(in crate::api) type Flaw = String;

/// Finds the way that the settings name.
pub(in crate::api) fn enter(
    settings: &ClusterSettings,
    node: &str,
    metrics: &CertificateMetrics,
) -> Result<Entry, JoinError> {
    let shelf = Shelf::of_client(&settings.pki);
    let written = read_kubeconfig(&settings.kubeconfig, "--kubeconfig");
    let flaw = match (&settings.bootstrap, &written) {
        (None, _) => None,
        (Some(_), Err(error)) => Some(chain(error)),
        (Some(_), Ok(kubeconfig)) => flaw_of(kubeconfig, Timestamp::now()),
    };
    let (base, first) = match (flaw, &settings.bootstrap, settings.renewal) {
        (Some(flaw), Some(bootstrap), _) => {
            info!(
                kubeconfig = %settings.kubeconfig.display(),
                why = flaw,
                "using bootstrap kubeconfig to generate TLS client cert, key and kubeconfig file"
            );
            let first = read_kubeconfig(bootstrap, "--bootstrap-kubeconfig")?;
            if is_missing(&written) {
                forget_certificate(&shelf);
            }
            rewrite(&settings.kubeconfig, &first, &shelf)?;
            (first.clone(), first)
        }
        (_, _, Renewal::Never) => {
            return Ok(Entry {
                client: Client::new(written?, pace(settings)),
                keeper: None,
            });
        }
        (_, bootstrap, Renewal::InTime) => {
            let written = written?;
            take_over(&shelf, &written.user);
            // It is there for when the certificate has ended while nobody was looking.
            let bootstrap = bootstrap.as_deref();
            let first = bootstrap.and_then(|file| read_kubeconfig(file, "").ok());
            (written.clone(), first.unwrap_or(written))
        }
    };
    Ok(with_keeper(settings, (node, base, first), shelf, metrics))
}

fn with_keeper(
    settings: &ClusterSettings,
    (node, base, first): (&str, Kubeconfig, Kubeconfig),
    shelf: Shelf,
    metrics: &CertificateMetrics,
) -> Entry {
    let has_one = watch::Sender::new(false);
    let file = Material::File(shelf.current_file());
    let own = Kubeconfig {
        user: User {
            certificate: Some((file.clone(), file)),
            ..User::default()
        },
        ..base
    };
    let client = Client::behind(own, pace(settings), has_one.subscribe());
    let keeper = Keeper::new(KeeperParts {
        wish: WishSource::Fixed(Wish::client(node)),
        shelf,
        renewal: settings.renewal,
        own: client.clone(),
        first: Some(Client::new(first, pace(settings))),
        metrics: metrics.clone(),
        has_one,
    });
    Entry {
        client,
        keeper: Some(keeper),
    }
}

fn is_missing(kubeconfig: &Result<Kubeconfig, JoinError>) -> bool {
    let Err(JoinError::Read { source, .. }) = kubeconfig else {
        return false;
    };
    source.kind() == io::ErrorKind::NotFound
}

/// A certificate whose kubeconfig is gone may be of another cluster: nobody can tell, so another is asked
/// for. It is forgotten before the kubeconfig names its place again, so that who is killed in between does
/// not take it for the new one.
fn forget_certificate(shelf: &Shelf) {
    if let Err(error) = shelf.set_aside() {
        let error = &error as &dyn std::error::Error;
        warn!(error, "a certificate that was here before may be shown");
    }
}

fn pace(settings: &ClusterSettings) -> Pace {
    Pace::new(settings.qps, settings.burst)
}

/// What keeps a kubeconfig from being used as it is: as upstream, only its certificates count.
pub(in crate::api) fn flaw_of(kubeconfig: &Kubeconfig, now: Timestamp) -> Option<Flaw> {
    let Some((certificate, key)) = &kubeconfig.user.certificate else {
        return Some("it has no client certificate".to_owned());
    };
    let pem = match (bytes(certificate), bytes(key)) {
        (Ok(pem), Ok(_)) => pem,
        (Err(error), _) | (_, Err(error)) => return Some(chain(&error)),
    };
    let leaves: Option<Vec<_>> = certificates_of(&pem)
        .iter()
        .map(|one| Leaf::read(one))
        .collect();
    match leaves {
        Some(leaves) if !leaves.is_empty() => {
            let old = leaves.iter().find(|leaf| leaf.has_expired(now));
            old.map(|leaf| format!("its client certificate has expired at {}", leaf.until))
        }
        _ => Some("its client certificate cannot be read".to_owned()),
    }
}

/// The kubeconfig names the certificate before it is there: who is killed in between finds neither
/// good, and goes on.
fn rewrite(kubeconfig: &Path, of: &Kubeconfig, shelf: &Shelf) -> Result<(), JoinError> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut of = of.clone();
    if let Some(Material::File(file)) = &mut of.authority {
        *file = absolute(file);
    }
    let text = write(&of, &absolute(&shelf.current_file()));
    write_private(kubeconfig, &text).map_err(|source| JoinError::Write {
        file: PathBuf::from(kubeconfig),
        source,
    })
}

/// The certificate of a kubeconfig is the first of those that follow each other, as upstream has it;
/// one that is here already and good comes after it.
fn take_over(shelf: &Shelf, user: &User) {
    let now = Timestamp::now();
    let current = shelf.current().ok().flatten();
    if current.is_some_and(|leaf| !leaf.has_expired(now)) {
        return;
    }
    let Some((certificate, key)) = &user.certificate else {
        return;
    };
    let (Ok(certificate), Ok(key)) = (bytes(certificate), bytes(key)) else {
        return;
    };
    if let Err(error) = shelf.put(&certificate, &String::from_utf8_lossy(&key), now) {
        let error = &error as &dyn std::error::Error;
        warn!(error, "the kubeconfig's client certificate is not used");
    }
}
