//! The list calls, streamed: for answers that one message could not hold.
//!
//! What is listed is chosen when the call comes, and put into messages as the client takes them.

use std::sync::Arc;
use std::vec;

use futures::{Stream, StreamExt, stream};
use podling_proto::runtime::v1 as cri;
use tonic::Status;

use super::encode;
use super::filter::{wants_container_stats, wants_sandbox_stats};
use super::metrics;
use super::runtime_service::Streamed;
use super::stats::Statistics;
use super::{filter, list};
use crate::image::ImageRecord;
use crate::lifecycle::PodSnapshot;

/// Objects in one message. The largest labels and annotations that Kubernetes allows are 256 KiB, so
/// sixty of them fit into the 16 MiB that clients take.
const BATCH: usize = 50;

/// StreamPodSandboxes.
pub(super) fn pod_sandboxes(
    pods: Vec<Arc<PodSnapshot>>,
    filter: Option<cri::PodSandboxFilter>,
) -> Streamed<cri::StreamPodSandboxesResponse> {
    let wanted = chosen(pods, |pod| {
        filter::wants_sandbox(filter.as_ref(), &pod.sandbox)
    });
    Box::pin(stream::iter(batches(wanted)).map(|pods| {
        Ok(cri::StreamPodSandboxesResponse {
            pod_sandboxes: list::pod_sandboxes(&pods, None),
        })
    }))
}

/// StreamContainers.
pub(super) fn containers(
    pods: Vec<Arc<PodSnapshot>>,
    filter: Option<cri::ContainerFilter>,
) -> Streamed<cri::StreamContainersResponse> {
    let wanted = pods.into_iter().flat_map(move |pod| {
        let filter = filter.clone();
        let ids: Vec<_> = pod
            .containers
            .values()
            .filter(|container| filter::wants_container(filter.as_ref(), container))
            .map(|container| container.id.clone())
            .collect();
        ids.into_iter().map(move |id| (Arc::clone(&pod), id))
    });
    Box::pin(stream::iter(wanted).chunks(BATCH).map(|batch| {
        let containers = batch
            .iter()
            .map(|(pod, id)| encode::container(&pod.containers[id]));
        Ok(cri::StreamContainersResponse {
            containers: containers.collect(),
        })
    }))
}

/// StreamImages.
pub(super) fn images(images: Vec<ImageRecord>) -> Streamed<cri::StreamImagesResponse> {
    Box::pin(stream::iter(batches(images)).map(|images| {
        Ok(cri::StreamImagesResponse {
            images: images.iter().map(encode::image).collect(),
        })
    }))
}

/// StreamContainerStats.
pub(super) fn container_stats(
    statistics: Statistics,
    filter: Option<cri::ContainerStatsFilter>,
) -> Streamed<cri::StreamContainerStatsResponse> {
    let filter = Arc::new(filter);
    read_each(
        statistics,
        |_| true,
        move |statistics, pods| {
            let filter = Arc::clone(&filter);
            async move {
                let is_wanted =
                    |container: &_| wants_container_stats((*filter).as_ref(), container);
                cri::StreamContainerStatsResponse {
                    container_stats: statistics.containers(&pods, is_wanted).await,
                }
            }
        },
    )
}

/// StreamPodSandboxStats.
pub(super) fn pod_sandbox_stats(
    statistics: Statistics,
    filter: Option<cri::PodSandboxStatsFilter>,
) -> Streamed<cri::StreamPodSandboxStatsResponse> {
    let is_wanted = move |pod: &PodSnapshot| wants_sandbox_stats(filter.as_ref(), &pod.sandbox);
    read_each(statistics, is_wanted, |statistics, pods| async move {
        cri::StreamPodSandboxStatsResponse {
            pod_sandbox_stats: statistics.pods(&pods).await,
        }
    })
}

/// StreamPodSandboxMetrics.
pub(super) fn pod_sandbox_metrics(
    statistics: Statistics,
) -> Streamed<cri::StreamPodSandboxMetricsResponse> {
    let is_ready = |pod: &PodSnapshot| pod.sandbox.is_ready();
    read_each(statistics, is_ready, |statistics, pods| async move {
        cri::StreamPodSandboxMetricsResponse {
            pod_sandbox_metrics: metrics::of_pods(&statistics, &pods).await,
        }
    })
}

/// Reads pods batch by batch, each when the client has taken the one before.
fn read_each<T, F>(
    statistics: Statistics,
    is_wanted: impl Fn(&PodSnapshot) -> bool,
    read: impl Fn(Statistics, Vec<Arc<PodSnapshot>>) -> F + Send + 'static,
) -> Streamed<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let pods = chosen(statistics.every_pod(), is_wanted);
    let answers = stream::iter(batches(pods))
        .then(move |pods| read(statistics.clone(), pods))
        .map(Ok::<T, Status>);
    Box::pin(answers) as std::pin::Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>
}

fn chosen(
    mut pods: Vec<Arc<PodSnapshot>>,
    is_wanted: impl Fn(&PodSnapshot) -> bool,
) -> Vec<Arc<PodSnapshot>> {
    pods.retain(|pod| is_wanted(pod));
    pods
}

/// `items` in their order, [`BATCH`] at a time.
fn batches<T>(items: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    let mut items: vec::IntoIter<T> = items.into_iter();
    std::iter::from_fn(move || {
        let batch: Vec<T> = items.by_ref().take(BATCH).collect();
        (!batch.is_empty()).then_some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_everything_once_and_in_order() {
        let sizes = |count: usize| -> Vec<usize> {
            batches((0..count).collect())
                .map(|batch| batch.len())
                .collect()
        };
        assert!(sizes(0).is_empty());
        assert_eq!(sizes(BATCH), [BATCH]);
        assert_eq!(sizes(2 * BATCH + 1), [BATCH, BATCH, 1]);
        let all: Vec<usize> = batches((0..120).collect()).flatten().collect();
        assert_eq!(all, (0..120).collect::<Vec<_>>());
    }
}
