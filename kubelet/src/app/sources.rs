//! Whoever says which pods are desired: a directory, a page, a cluster.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Kubelet;
use crate::event::EventLog;
use crate::model::PodSource;
use crate::source::{FileParts, FileSource, HttpParts, HttpSource, NodeIdentity, Page, Saying};
use crate::sync::SystemClock;

impl Kubelet {
    /// The sources that there are.
    pub(super) fn sources(&self) -> impl Iterator<Item = PodSource> {
        let page = self.settings.page.iter().map(|_| PodSource::Http);
        let cluster = self.cluster.iter().map(|_| PodSource::Api);
        page.chain(cluster).chain([PodSource::File])
    }

    /// Starts whoever says what is desired.
    pub(super) fn spawn_sources(
        &self,
        parts: &mut JoinSet<&'static str>,
        stop: &CancellationToken,
    ) -> mpsc::Receiver<Saying> {
        let (says, sayings) = mpsc::channel(1);
        if let Some(page) = &self.settings.page {
            let (source, says, stop) = (self.http_source(page), says.clone(), stop.clone());
            parts.spawn(async move {
                source.run(says, stop).await;
                "source of the manifest URL"
            });
        }
        self.start_pods(says.clone(), parts, stop);
        let (source, stop) = (self.file_source(), stop.clone());
        parts.spawn(async move {
            source.run(says, stop).await;
            "manifest source"
        });
        sayings
    }

    fn identity(&self) -> NodeIdentity {
        NodeIdentity {
            node_name: self.settings.node_name.clone(),
        }
    }

    fn file_source(&self) -> FileSource<EventLog, SystemClock> {
        FileSource::new(FileParts {
            directory: self.settings.manifests.clone(),
            node: self.identity(),
            rescan: self.settings.rescan,
            events: Arc::clone(&self.events),
            clock: Arc::new(SystemClock),
        })
    }

    fn http_source(&self, page: &Page) -> HttpSource<EventLog, SystemClock> {
        HttpSource::new(HttpParts {
            page: page.clone(),
            node: self.identity(),
            events: Arc::clone(&self.events),
            clock: Arc::new(SystemClock),
        })
    }
}
