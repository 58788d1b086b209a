//! Where certificates of one kind are kept with their keys, as upstream's kubelet keeps them.
//!
//! ```text
//! KIND.key.tmp                    the key of a request that is under way
//! KIND-2026-01-31-23-59-59.pem    a certificate and its key, mode 0600
//! KIND-current.pem                a link to the one that counts
//! ```
//!
//! A key is on disk before anything is asked with it, and goes after its certificate is there: who is
//! killed in between goes on where he was.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rcgen::{KeyPair, PublicKeyData};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;

use super::{Leaf, certificates_of};
use crate::whole::write_private;

/// How many certificates are kept: the one that counts, and the one before.
const KEPT: usize = 2;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a certificate or a key cannot be kept, or is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShelfError {
    /// A file cannot be read or written.
    #[error("cannot {attempt} {file}")]
    File {
        /// `read`, `write`, `remove`.
        attempt: &'static str,
        /// Which.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// What is there is no certificate with its key.
    #[error("{place} holds no certificate with its key")]
    Useless {
        /// Where.
        place: String,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// What was issued is of no use any more.
    #[error("what was issued has expired at {0}: is the clock of this machine right?")]
    Expired(Timestamp),
    /// Somebody has put a file where the link belongs.
    #[error("expected {0} to be a symlink but it is a file: move it away, it would be overwritten")]
    NoLink(PathBuf),
    /// No key can be made.
    #[error("cannot make a key")]
    Key(#[source] rcgen::Error),
}

/// Where certificates of one kind are kept.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    directory: PathBuf,
    kind: &'static str,
}

impl Shelf {
    /// Of certificates that are shown to the API server.
    pub(crate) fn of_client(directory: &Path) -> Self {
        let directory = directory.to_owned();
        let kind = "kubelet-client";
        Self { directory, kind }
    }

    /// Of certificates that are shown by the kubelet's server.
    pub(crate) fn of_server(directory: &Path) -> Self {
        let directory = directory.to_owned();
        let kind = "kubelet-server";
        Self { directory, kind }
    }

    /// Where the one that counts is, with its key.
    pub(crate) fn current_file(&self) -> PathBuf {
        self.file("current")
    }

    /// The one that counts; nothing when there is none.
    pub(crate) fn current(&self) -> Result<Option<Leaf>, ShelfError> {
        let file = self.current_file();
        match fs::read(&file) {
            Ok(pem) => pair_of(&pem, &file.display().to_string()).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed("read", &file)(source)),
        }
    }

    /// The one that counts does so no more; it stays beside where it was.
    pub(crate) fn set_aside(&self) -> Result<(), ShelfError> {
        let link = self.current_file();
        match fs::symlink_metadata(&link) {
            Ok(there) if there.is_symlink() => {
                fs::remove_file(&link).map_err(failed("remove", &link))
            }
            Ok(_) => Err(ShelfError::NoLink(link)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(failed("read", &link)(source)),
        }
    }

    /// The key that a request is made with: one that is under way, or a new one. A certificate that is
    /// here already has another.
    pub(crate) fn pending_key(&self, current: Option<&Leaf>) -> Result<KeyPair, ShelfError> {
        let file = self.pending_file();
        let known = fs::read_to_string(&file).ok();
        let known = known.and_then(|pem| KeyPair::from_pem(&pem).ok());
        let is_used = |key: &KeyPair| {
            current.is_some_and(|leaf| leaf.public_key == key.subject_public_key_info())
        };
        if let Some(key) = known.filter(|key| !is_used(key)) {
            return Ok(key);
        }
        let key = KeyPair::generate().map_err(ShelfError::Key)?;
        write_private(&file, key.serialize_pem()).map_err(failed("write", &file))?;
        Ok(key)
    }

    /// The request with this key has come to nothing: the next one has another.
    pub(crate) fn drop_pending_key(&self) {
        // One that stays is of no harm: its request is found refused again.
        let _ = fs::remove_file(self.pending_file());
    }

    /// Puts a certificate here with its key; it counts from now on.
    pub(crate) fn put(
        &self,
        certificates: &[u8],
        key: &str,
        now: Timestamp,
    ) -> Result<Leaf, ShelfError> {
        let mut pem = String::from_utf8_lossy(certificates).into_owned();
        if !pem.ends_with('\n') {
            pem.push('\n');
        }
        pem.push_str(key);
        let leaf = pair_of(pem.as_bytes(), "what was issued")?;
        if leaf.has_expired(now) {
            return Err(ShelfError::Expired(leaf.until));
        }
        let link = self.current_file();
        if fs::symlink_metadata(&link).is_ok_and(|there| !there.is_symlink()) {
            return Err(ShelfError::NoLink(link));
        }
        let file = self.file(&now.strftime("%Y-%m-%d-%H-%M-%S").to_string());
        write_private(&file, &pem).map_err(failed("write", &file))?;
        self.point_to(&file, &link)
            .map_err(failed("write", &link))?;
        self.drop_pending_key();
        self.tidy_up();
        Ok(leaf)
    }

    fn point_to(&self, file: &Path, link: &Path) -> io::Result<()> {
        let begun = self.file("updated");
        match fs::remove_file(&begun) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        symlink(std::path::absolute(file)?, &begun)?;
        fs::rename(&begun, link)?;
        fs::File::open(&self.directory)?.sync_all()
    }

    /// Removes certificates of long ago. Their names tell when they came.
    fn tidy_up(&self) {
        let beginning = format!("{}-2", self.kind);
        let entries = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten();
        let mut files: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str());
                name.is_some_and(|name| name.starts_with(&beginning) && name.ends_with(".pem"))
            })
            .collect();
        files.sort_unstable();
        for file in files.iter().rev().skip(KEPT) {
            // It goes the next time.
            let _ = fs::remove_file(file);
        }
    }

    fn file(&self, which: &str) -> PathBuf {
        self.directory.join(format!("{}-{which}.pem", self.kind))
    }

    fn pending_file(&self) -> PathBuf {
        self.directory.join(format!("{}.key.tmp", self.kind))
    }
}

/// A certificate that has its key beside it.
fn pair_of(pem: &[u8], place: &str) -> Result<Leaf, ShelfError> {
    let useless = |source: Cause| ShelfError::Useless {
        place: place.to_owned(),
        source,
    };
    let chain = certificates_of(pem);
    let first = chain
        .first()
        .ok_or_else(|| useless("no certificate in PEM".into()))?;
    let unread = || useless("its certificate is not well formed".into());
    let leaf = Leaf::read(first).ok_or_else(unread)?;
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| useless(error.into()))?;
    // It finds keys that belong to another certificate, too.
    CertifiedKey::from_der(chain, key, &default_provider())
        .map_err(|error| useless(error.into()))?;
    Ok(leaf)
}

fn failed(attempt: &'static str, file: &Path) -> impl FnOnce(io::Error) -> ShelfError {
    let file = file.to_owned();
    move |source| ShelfError::File {
        attempt,
        file,
        source,
    }
}
