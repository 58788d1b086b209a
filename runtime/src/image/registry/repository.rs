//! The repository of an image, at every endpoint that has it.
//!
//! ```text
//! mirror ──no──► mirror ──no──► registry
//! ```
//!
//! Endpoints are asked in their order until one gives what is wanted. Whatever has a digest is the
//! same everywhere, so a blob that one endpoint began is finished by another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::blob::Piece;
use super::client::Clients;
use super::credentials::Login;
use super::error::RegistryError;
use super::hosts::{self, Capabilities};
use super::session::Session;
use super::settings::RegistrySettings;
use crate::image::digest::Digest;
use crate::image::reference::Reference;

/// The repository of an image.
#[derive(Debug)]
pub(in crate::image) struct Repository {
    /// The registry itself is the last.
    sessions: Vec<Session>,
    /// The one that gave content last: it is asked first for more.
    giving: AtomicUsize,
}

/// What each endpoint said that could not help.
#[derive(Default)]
struct Refusals(Vec<(String, RegistryError)>);

impl Repository {
    /// Reads where the images of this registry are to be fetched from. Blocks for as long as that
    /// takes.
    pub(in crate::image) fn open(
        clients: &Arc<Clients>,
        settings: &Arc<RegistrySettings>,
        reference: &Reference,
        login: &Login,
    ) -> Result<Self, RegistryError> {
        let endpoints = hosts::endpoints(settings, reference.registry())
            .map_err(|error| RegistryError::Hosts(Arc::new(error)))?;
        let sessions = endpoints
            .into_iter()
            .map(|endpoint| Session::new(clients, settings, endpoint, reference, login));
        Ok(Self {
            sessions: sessions.collect::<Result<_, _>>()?,
            giving: AtomicUsize::new(0),
        })
    }

    /// The manifest or index a tag or digest names, and its digest.
    pub(in crate::image) async fn manifest(
        &self,
        version: &str,
    ) -> Result<(Vec<u8>, Digest), RegistryError> {
        let is_pinned = version.parse::<Digest>().is_ok();
        let can = |capabilities: Capabilities| match is_pinned {
            true => capabilities.pull,
            false => capabilities.resolve,
        };
        let mut refusals = Refusals::default();
        for session in self
            .sessions
            .iter()
            .filter(|s| can(s.endpoint.capabilities))
        {
            match session.manifest(version).await {
                Ok(manifest) => return Ok(manifest),
                Err(error) => refusals.add(session, error),
            }
        }
        Err(refusals.verdict(version))
    }

    /// A small blob as a whole.
    pub(in crate::image) async fn document(
        &self,
        what: &'static str,
        digest: &Digest,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut refusals = Refusals::default();
        for (number, session) in self.givers() {
            match session.document(what, digest).await {
                Ok(document) => {
                    self.giving.store(number, Ordering::Relaxed);
                    return Ok(document);
                }
                Err(error) => refusals.add(session, error),
            }
        }
        Err(refusals.verdict(what))
    }

    /// Sends a blob of `size` bytes piece by piece. It ends early when the receiver goes away, which
    /// has its own reason.
    pub(in crate::image) async fn stream_blob(
        &self,
        digest: &Digest,
        size: u64,
        pieces: mpsc::Sender<Piece>,
        arrived: impl Fn(u64),
    ) -> Result<(), RegistryError> {
        let mut done = 0;
        let mut refusals = Refusals::default();
        for (number, session) in self.givers() {
            let streamed = session.stream_blob(digest, size, &mut done, &pieces, &arrived);
            match streamed.await {
                Ok(()) => {
                    self.giving.store(number, Ordering::Relaxed);
                    return Ok(());
                }
                Err(error) => refusals.add(session, error),
            }
        }
        Err(refusals.verdict(digest.as_str()))
    }

    /// Who may give content, the one that gave some first.
    fn givers(&self) -> impl Iterator<Item = (usize, &Session)> {
        let first = self.giving.load(Ordering::Relaxed);
        let all = self.sessions.iter().enumerate();
        let (mut givers, before): (Vec<_>, Vec<_>) = all
            .filter(|(_, session)| session.endpoint.capabilities.pull)
            .partition(|(number, _)| *number >= first);
        givers.extend(before);
        givers.into_iter()
    }
}

impl Refusals {
    fn add(&mut self, session: &Session, error: RegistryError) {
        let base = session.endpoint.base.clone();
        tracing::debug!(endpoint = %base, %error, "does not help");
        self.0.push((base, error));
    }

    /// The registry's own answer when it was asked and answered; else what everybody said.
    fn verdict(mut self, what: &str) -> RegistryError {
        let is_answer = |error: &RegistryError| !error.is_unavailable();
        if self.0.len() == 1 || self.0.last().is_some_and(|(_, error)| is_answer(error)) {
            return self.0.pop().expect("there is a last one").1;
        }
        let tried = self
            .0
            .iter()
            .map(|(base, error)| format!("{base}: {error}"));
        let tried: Vec<String> = tried.collect();
        RegistryError::Nowhere {
            what: what.to_owned(),
            tried: match tried.as_slice() {
                [] => "no endpoint of its configuration may be asked for it".to_owned(),
                tried => tried.join("; "),
            },
        }
    }
}
