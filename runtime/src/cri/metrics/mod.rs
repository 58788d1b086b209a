//! ListMetricDescriptors and ListPodSandboxMetrics: the metrics that Prometheus knows from cAdvisor.
//!
//! Each metric is one entry of a table: its name, what it says, its labels, and where its value comes
//! from. So what is described and what is reported cannot drift apart. Labels are cAdvisor's: `id` is the
//! cgroup, `name` the container's id. Values are whole numbers, as the contract has them: seconds lose
//! their fractions.

mod cpu;
mod family;
mod memory;
mod network;
mod process;
mod spec;
mod storage;

use std::sync::Arc;

use podling_proto::runtime::v1 as cri;

use self::family::{Facts, Family, OfContainer, OfInterface};
use super::stats::Statistics;
use crate::lifecycle::PodSnapshot;
use crate::model::ContainerConfig;
use crate::stats::{Detail, PodReading, Storage};

/// What every metric is labelled with.
const LABELS: [&str; 6] = ["id", "name", "image", "container", "namespace", "pod"];

/// The metrics of a container.
const OF_CONTAINERS: [&[Family<OfContainer>]; 5] = [
    &cpu::FAMILIES,
    &memory::FAMILIES,
    &storage::FAMILIES,
    &process::FAMILIES,
    &spec::FAMILIES,
];

/// The metrics of a pod: what its containers share.
const OF_PODS: &[Family<OfInterface>] = &network::FAMILIES;

/// ListMetricDescriptors.
pub(super) fn descriptors() -> Vec<cri::MetricDescriptor> {
    let of_containers = OF_CONTAINERS
        .iter()
        .copied()
        .flatten()
        .map(Family::describe);
    let of_pods = OF_PODS.iter().map(Family::describe);
    of_containers.chain(of_pods).collect()
}

/// The metrics of those of these pods that are ready.
pub(super) async fn of_pods(
    statistics: &Statistics,
    pods: &[Arc<PodSnapshot>],
) -> Vec<cri::PodSandboxMetrics> {
    let (pods, read) = statistics.read(pods, Detail::Processes).await;
    let storage = statistics.storage().await;
    let of = |(pod, read): (&Arc<PodSnapshot>, &PodReading)| {
        let cgroup = |name: &str| {
            let path = statistics.lifecycle.cgroup(&pod.sandbox, name);
            path.map(|path| path.to_string()).unwrap_or_default()
        };
        of_pod(pod, read, &storage, cgroup)
    };
    pods.iter().zip(&read).map(of).collect()
}

fn of_pod(
    pod: &PodSnapshot,
    read: &PodReading,
    storage: &Storage,
    cgroup: impl Fn(&str) -> String,
) -> cri::PodSandboxMetrics {
    let metadata = &pod.sandbox.config.metadata;
    let labels = |id: &str, image: &str, container: &str| {
        let labels = [
            &cgroup(id),
            id,
            image,
            container,
            &metadata.namespace,
            &metadata.name,
        ];
        labels.map(str::to_owned)
    };
    let containers = read.containers.iter().map(|reading| {
        let record = &pod.containers[&reading.id];
        let (id, config) = (record.id.as_str(), &record.config);
        let labels = labels(id, image_of(config), &config.metadata.name);
        let facts = Facts {
            record,
            reading,
            storage,
        };
        let families = OF_CONTAINERS.iter().copied().flatten();
        cri::ContainerMetrics {
            container_id: id.to_owned(),
            metrics: families
                .flat_map(|family| family.of(&facts, &labels))
                .collect(),
        }
    });
    let of_pod = labels(pod.sandbox.id.as_str(), "", "POD");
    let interfaces = read.network.iter().flat_map(|network| &network.interfaces);
    cri::PodSandboxMetrics {
        pod_sandbox_id: pod.sandbox.id.to_string(),
        metrics: interfaces
            .flat_map(|interface| {
                let of = |family: &Family<OfInterface>| family.of(interface, &of_pod);
                OF_PODS.iter().flat_map(of).collect::<Vec<_>>()
            })
            .collect(),
        container_metrics: containers.collect(),
    }
}

/// The image by the name that the pod has it by: a kubelet asks for it by its id.
fn image_of(config: &ContainerConfig) -> &str {
    match config.user_specified_image.as_str() {
        "" => &config.image,
        name => name,
    }
}

#[cfg(test)]
mod tests;
