//! What the API server is shown: read again as files change, and asked of a program when it expires.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::warn;

use super::program::{self, Given, ProgramError};
use crate::api::kubeconfig::{Kubeconfig, Material, Token};
use crate::certificate::{Leaf, certificates_of};

/// How long a token from a file counts before the file is read again, as client-go has it.
const TOKEN_COUNTS: Duration = Duration::from_secs(60);

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// A file cannot be read.
    #[error("cannot read {file}")]
    File {
        /// Which.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is read, and no use.
    #[error("cannot use {0}")]
    Useless(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// A token or password has characters that no header has.
    #[error("the token or the password cannot be sent: it has other than visible characters")]
    Unsendable,
    /// There is no certificate yet.
    #[error("the API server has not issued a client certificate yet")]
    NotIssued,
    /// The program gives nothing.
    #[error(transparent)]
    Program(#[from] ProgramError),
}

/// What a client shows.
#[derive(Clone, Default)]
pub(super) struct Shown {
    /// With each request.
    pub(super) header: Option<HeaderValue>,
    /// With each connection; compared to know when new ones are needed.
    pub(super) pem: Option<Arc<Vec<u8>>>,
}

/// Knows what to show.
pub(super) struct Login {
    kubeconfig: Kubeconfig,
    /// Whoever asks while this is found out waits for it.
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    token: Option<(HeaderValue, Instant)>,
    versions: Vec<Option<(SystemTime, u64)>>,
    pem: Option<Arc<Vec<u8>>>,
    given: Option<Given>,
}

impl Login {
    pub(super) fn new(kubeconfig: Kubeconfig) -> Self {
        Self {
            kubeconfig,
            kept: Mutex::default(),
        }
    }

    /// What to show now.
    pub(super) async fn current(&self) -> Result<Shown, LoginError> {
        let user = &self.kubeconfig.user;
        let mut kept = self.kept.lock().await;
        if let Some(program) = &user.program {
            if kept.given.as_ref().is_none_or(Given::has_expired) {
                kept.given = Some(program::ask(program, &self.kubeconfig).await?);
            }
            let given = kept.given.as_ref().expect("it was just given");
            return Ok(given.shown.clone());
        }
        let header = match (&user.token, &user.basic) {
            (Some(Token::Fixed(token)), _) => Some(bearer(token)?),
            (Some(Token::File(file)), _) => Some(kept.token_of(file)?),
            (None, Some((name, password))) => {
                let pair = STANDARD.encode(format!("{name}:{password}"));
                Some(secret(&format!("Basic {pair}"))?)
            }
            (None, None) => None,
        };
        if let Some((certificate, key)) = &user.certificate {
            kept.look_at_certificate(certificate, key)?;
        }
        let pem = kept.pem.clone();
        Ok(Shown { header, pem })
    }

    /// What is wrong with what was shown, as far as can be seen here.
    pub(super) async fn trouble(&self) -> Option<String> {
        let pem = self.kept.lock().await.pem.clone()?;
        let first = certificates_of(&pem).into_iter().next()?;
        let (leaf, now) = (Leaf::read(&first)?, Timestamp::now());
        if leaf.has_expired(now) {
            return Some(format!(
                "the client certificate of {} has expired at {}; a new one is taken as soon as it is \
                 in its file",
                leaf.name, leaf.until
            ));
        }
        (now < leaf.since).then(|| {
            format!(
                "the client certificate of {} is valid from {} on, and here it is {now}: is the clock \
                 right?",
                leaf.name, leaf.since
            )
        })
    }

    /// The server does not know what was shown: what can be had anew is.
    pub(super) async fn forget(&self) {
        let mut kept = self.kept.lock().await;
        kept.token = None;
        kept.given = None;
    }
}

impl Kept {
    /// An old token counts while its file cannot be read.
    fn token_of(&mut self, file: &Path) -> Result<HeaderValue, LoginError> {
        if let Some((token, read)) = &self.token
            && read.elapsed() < TOKEN_COUNTS
        {
            return Ok(token.clone());
        }
        let read = text(file).and_then(|token| bearer(token.trim()));
        match (read, &self.token) {
            (Ok(token), _) => {
                self.token = Some((token.clone(), Instant::now()));
                Ok(token)
            }
            (Err(error), Some((old, _))) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "the old token counts"
                );
                Ok(old.clone())
            }
            (Err(error), None) => Err(error),
        }
    }

    /// The old certificate counts while the files of the new one cannot be read.
    fn look_at_certificate(
        &mut self,
        certificate: &Material,
        key: &Material,
    ) -> Result<(), LoginError> {
        let now = [certificate, key].map(version).to_vec();
        if self.pem.is_some() && now == self.versions {
            return Ok(());
        }
        let read = bytes(certificate).and_then(|mut pem| {
            if key != certificate {
                pem.push(b'\n');
                pem.extend(bytes(key)?);
            }
            Ok(pem)
        });
        match (read, &self.pem) {
            (Ok(pem), _) => self.pem = Some(Arc::new(pem)),
            (Err(error), Some(_)) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "the old certificate counts"
                );
            }
            (Err(error), None) => return Err(error),
        }
        self.versions = now;
        Ok(())
    }
}

/// The bytes of some PEM.
pub(in crate::api) fn bytes(material: &Material) -> Result<Vec<u8>, LoginError> {
    match material {
        Material::Data(data) => Ok(data.clone()),
        Material::File(file) => std::fs::read(file).map_err(unreadable(file)),
    }
}

/// When PEM was changed last, and how long it is; nothing for what cannot change.
pub(super) fn version(material: &Material) -> Option<(SystemTime, u64)> {
    let Material::File(file) = material else {
        return None;
    };
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn text(file: &Path) -> Result<String, LoginError> {
    std::fs::read_to_string(file).map_err(unreadable(file))
}

fn unreadable(file: &Path) -> impl FnOnce(io::Error) -> LoginError {
    move |source| LoginError::File {
        file: file.to_owned(),
        source,
    }
}

pub(super) fn bearer(token: &str) -> Result<HeaderValue, LoginError> {
    secret(&format!("Bearer {token}"))
}

/// A header whose value is in no log.
fn secret(text: &str) -> Result<HeaderValue, LoginError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| LoginError::Unsendable)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kubeconfig::User;

    fn login(user: User) -> Login {
        Login::new(Kubeconfig {
            server: "https://host".to_owned(),
            authority: None,
            insecure: false,
            user,
        })
    }

    async fn header(login: &Login) -> String {
        let shown = login.current().await.unwrap().header.unwrap();
        shown.to_str().unwrap().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_file_is_read_again_each_minute_and_after_a_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "one\n").unwrap();
        let login = login(User {
            token: Some(Token::File(file.clone())),
            ..User::default()
        });
        assert_eq!(header(&login).await, "Bearer one");
        std::fs::write(&file, "two").unwrap();
        assert_eq!(header(&login).await, "Bearer one");
        login.forget().await;
        assert_eq!(header(&login).await, "Bearer two");
        std::fs::write(&file, "three").unwrap();
        tokio::time::advance(TOKEN_COUNTS).await;
        assert_eq!(header(&login).await, "Bearer three");
        std::fs::remove_file(&file).unwrap();
        tokio::time::advance(TOKEN_COUNTS).await;
        assert_eq!(header(&login).await, "Bearer three");
    }

    #[tokio::test]
    async fn a_certificate_that_is_replaced_is_shown_from_then_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("client.pem");
        std::fs::write(&file, "old").unwrap();
        let material = Material::File(file.clone());
        let login = login(User {
            certificate: Some((material.clone(), material)),
            ..User::default()
        });
        let old = login.current().await.unwrap().pem.unwrap();
        assert!(Arc::ptr_eq(
            &old,
            &login.current().await.unwrap().pem.unwrap()
        ));
        std::fs::write(&file, "newer").unwrap();
        let new = login.current().await.unwrap().pem.unwrap();
        assert_eq!(new.as_slice(), b"newer");
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_named() {
        let login = login(User {
            token: Some(Token::File("/not/there".into())),
            ..User::default()
        });
        let error = login.current().await.err().unwrap();
        assert_eq!(error.to_string(), "cannot read /not/there");
    }

    #[tokio::test]
    async fn a_name_and_a_password_are_one_header() {
        let login = login(User {
            basic: Some(("me".to_owned(), "word".to_owned())),
            ..User::default()
        });
        assert_eq!(header(&login).await, "Basic bWU6d29yZA==");
    }
}
