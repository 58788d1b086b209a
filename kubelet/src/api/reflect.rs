//! Follows a set of objects: lists it, watches it from there, and lists it again when the server has
//! forgotten where the watch was.
//!
//! ```text
//! list ─► All ─► watch ─► Set, Gone … ─► (ended, broken) ─► watch ─► …
//!   ▲                └──────── 410, Gone ────────┘
//!   └── refused or away: later each time
//! ```

use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::backoff::Backoff;
use super::client::{ApiError, Changes, Client};

/// What becomes of the set.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum News {
    /// These are in it, and no others.
    All(Vec<Value>),
    /// This one is in it.
    Set(Value),
    /// This one is not any more.
    Gone(Value),
}

/// Follows one set.
pub(super) struct Reflector {
    client: Client,
    /// The collection, and what of it: `/api/v1/pods?fieldSelector=…`.
    path: String,
    backoff: Backoff,
    /// Whether the last try failed, so that it is told once.
    is_away: bool,
    /// Whether it was listed: what is listed again must not be older.
    is_listed: bool,
}

/// How a watch ended.
enum End {
    /// It may go on from here.
    At(String),
    /// Everything has to be listed again.
    Lost,
    /// Nobody listens any more.
    Unheard,
}

impl Reflector {
    /// A reflector of what is at this path, which may select with a query.
    pub(super) fn new(client: Client, path: impl Into<String>) -> Self {
        Self {
            client,
            path: path.into(),
            backoff: Backoff::new(),
            is_away: false,
            is_listed: false,
        }
    }

    /// Tells `news` until `shutdown`, or until nobody listens.
    pub(super) async fn run(mut self, news: mpsc::Sender<News>, shutdown: CancellationToken) {
        // What is cancelled is only a wait for the server, or for who listens.
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.follow(&news) => {}
        }
    }

    async fn follow(&mut self, news: &mpsc::Sender<News>) {
        loop {
            let mut version = match self.list().await {
                Ok((version, items)) => {
                    self.is_back();
                    self.is_listed = true;
                    if news.send(News::All(items)).await.is_err() {
                        return;
                    }
                    version
                }
                Err(error) => {
                    self.tell(&error);
                    sleep(self.backoff.next()).await;
                    continue;
                }
            };
            loop {
                match self.watch(&version, news).await {
                    End::At(here) => version = here,
                    End::Lost => break,
                    End::Unheard => return,
                }
            }
        }
    }

    async fn list(&self) -> Result<(String, Vec<Value>), ApiError> {
        // What the server has at hand will do the first time.
        let path = match self.is_listed {
            false => with_query(&self.path, "resourceVersion=0"),
            true => self.path.clone(),
        };
        let mut list = self.client.get(&path).await?;
        let version = list["metadata"]["resourceVersion"].as_str();
        let version = version.unwrap_or_default().to_owned();
        let items = match list["items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        };
        Ok((version, items))
    }

    async fn watch(&mut self, version: &str, news: &mpsc::Sender<News>) -> End {
        // Watches of many nodes shall not end together.
        let seconds = 300 + self.backoff.jitter(300);
        let query = format!(
            "watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={seconds}"
        );
        let path = with_query(&self.path, &query);
        let deadline = Instant::now() + Duration::from_secs(seconds + 30);
        let changes = match self.client.watch(&path).await {
            Ok(changes) => changes,
            Err(error) if error.is_gone() => return End::Lost,
            Err(error) => {
                self.tell(&error);
                sleep(self.backoff.next()).await;
                return End::At(version.to_owned());
            }
        };
        self.is_back();
        self.pass_on(changes, version, (news, deadline)).await
    }

    async fn pass_on(
        &mut self,
        mut changes: Changes,
        version: &str,
        (news, deadline): (&mpsc::Sender<News>, Instant),
    ) -> End {
        let mut here = version.to_owned();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut change = match timeout(left, changes.next()).await {
                Ok(Ok(Some(change))) => change,
                Ok(Ok(None)) | Err(_) => return End::At(here),
                Ok(Err(error)) => {
                    debug!(error = &error as &dyn std::error::Error, "a watch broke");
                    sleep(self.backoff.next()).await;
                    return End::At(here);
                }
            };
            self.backoff.rest();
            let object = change["object"].take();
            let kind = change["type"].as_str().unwrap_or_default();
            if kind == "ERROR" {
                debug!(path = self.path, status = %object, "a watch is refused");
                if object["code"] != 410 {
                    sleep(self.backoff.next()).await;
                }
                return End::Lost;
            }
            if let Some(version) = object["metadata"]["resourceVersion"].as_str() {
                version.clone_into(&mut here);
            }
            let told = match kind {
                "ADDED" | "MODIFIED" => News::Set(object),
                "DELETED" => News::Gone(object),
                _ => continue,
            };
            if news.send(told).await.is_err() {
                return End::Unheard;
            }
        }
    }

    /// Tells of a failure, unless that was told last.
    fn tell(&mut self, error: &ApiError) {
        if !std::mem::replace(&mut self.is_away, true) {
            let error = error as &dyn std::error::Error;
            warn!(error, "what is known stays until the API server answers");
        }
    }

    fn is_back(&mut self) {
        if std::mem::replace(&mut self.is_away, false) {
            info!(path = self.path, "the API server answers again");
        }
    }
}

pub(super) fn with_query(path: &str, query: &str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}{query}")
}
