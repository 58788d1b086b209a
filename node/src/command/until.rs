//! Waiting until something holds of an object.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::kubelet::{Kubelet, KubeletError};
use crate::resource::Resource;
use crate::select::{News, Selection, Sieve};

/// Why it was not waited for to the end.
#[derive(Debug, thiserror::Error)]
pub(super) enum UntilError {
    /// The kubelet does not answer, or not in sense.
    #[error(transparent)]
    Kubelet(#[from] KubeletError),
    /// The kubelet ended first.
    #[error("the kubelet has ended")]
    Ended,
    /// The time was up.
    #[error("timed out waiting for the condition")]
    TimedOut,
    /// It cannot come to hold any more.
    #[error("{0}")]
    Hopeless(String),
}

/// What is said of the object as it is now, `None` when it is not there.
pub(super) type Judgement<T> = Result<Option<T>, UntilError>;

/// Waits until `judge` has come to something about the one pod that is selected.
pub(super) async fn until<T>(
    kubelet: &Kubelet,
    selection: Selection,
    timeout: Option<Duration>,
    judge: impl FnMut(Option<&Value>) -> Judgement<T>,
) -> Result<T, UntilError> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let judged = judged(kubelet, selection, judge);
    match deadline {
        None => judged.await,
        Some(deadline) => tokio::time::timeout_at(deadline, judged)
            .await
            .unwrap_or(Err(UntilError::TimedOut)),
    }
}

async fn judged<T>(
    kubelet: &Kubelet,
    selection: Selection,
    mut judge: impl FnMut(Option<&Value>) -> Judgement<T>,
) -> Result<T, UntilError> {
    let mut sieve = Sieve::new(selection);
    let mut watch = kubelet.watch(Resource::Pods).await?;
    let mut there: Option<Value> = None;
    let mut is_known = false;
    while let Some(news) = watch.next().await? {
        match sieve.pass(news) {
            None => continue,
            Some(News::AllThere) => is_known = true,
            Some(News::Added(object) | News::Modified(object)) => there = Some(object),
            Some(News::Deleted(object)) => {
                let uid = |object: &Value| object["metadata"]["uid"].clone();
                // Another of the same name may have come meanwhile.
                if there.as_ref().map(uid) == Some(uid(&object)) {
                    there = None;
                }
            }
        }
        if is_known && let Some(found) = judge(there.as_ref())? {
            return Ok(found);
        }
    }
    Err(UntilError::Ended)
}

/// The status of a container of whichever list.
pub(super) fn container_status<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    let lists = [
        "containerStatuses",
        "initContainerStatuses",
        "ephemeralContainerStatuses",
    ];
    lists
        .iter()
        .filter_map(|list| pod["status"][list].as_array())
        .flatten()
        .find(|status| status["name"] == container)
}

/// The selection of one pod.
pub(super) fn one(namespace: &str, name: &str) -> Selection {
    Selection {
        namespace: Some(namespace.to_owned()),
        names: vec![name.to_owned()],
        ..Selection::default()
    }
}
