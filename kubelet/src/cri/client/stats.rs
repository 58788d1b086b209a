//! What is used, over CRI.

use futures::FutureExt;
use podling_proto::runtime::v1;

use super::{Client, malformed};
use crate::cri::convert::{
    descriptor_from_wire, filesystems_from_wire, metrics_from_wire, pod_stats_from_wire,
};
use crate::cri::{Call, ImageFilesystems, Metric, MetricDescriptor, PodStats, Statistics};
use crate::model::SandboxId;

impl Statistics for Client {
    fn pod_stats(&self) -> Call<'_, Vec<PodStats>> {
        const CALL: &str = "ListPodSandboxStats";
        let mut runtime = self.runtime.clone();
        async move {
            let answer = runtime.list_pod_sandbox_stats(v1::ListPodSandboxStatsRequest::default());
            let list = self.within(CALL, self.deadlines.request, answer).await?;
            let items = list.stats.into_iter().map(pod_stats_from_wire);
            items.collect::<Result<_, _>>().map_err(malformed(CALL))
        }
        .boxed()
    }

    fn pod_stats_of(&self, id: SandboxId) -> Call<'_, PodStats> {
        const CALL: &str = "PodSandboxStats";
        let mut runtime = self.runtime.clone();
        async move {
            let answer = runtime.pod_sandbox_stats(v1::PodSandboxStatsRequest {
                pod_sandbox_id: id.to_string(),
            });
            let answer = self.within(CALL, self.deadlines.request, answer).await?;
            pod_stats_from_wire(answer.stats.unwrap_or_default()).map_err(malformed(CALL))
        }
        .boxed()
    }

    fn image_filesystems(&self) -> Call<'_, ImageFilesystems> {
        const CALL: &str = "ImageFsInfo";
        let mut images = self.images.clone();
        async move {
            let answer = images.image_fs_info(v1::ImageFsInfoRequest::default());
            let info = self.within(CALL, self.deadlines.request, answer).await?;
            filesystems_from_wire(info).map_err(malformed(CALL))
        }
        .boxed()
    }

    fn metric_descriptors(&self) -> Call<'_, Vec<MetricDescriptor>> {
        let mut runtime = self.runtime.clone();
        async move {
            let answer =
                runtime.list_metric_descriptors(v1::ListMetricDescriptorsRequest::default());
            let list = self
                .within("ListMetricDescriptors", self.deadlines.request, answer)
                .await?;
            Ok(list
                .descriptors
                .into_iter()
                .map(descriptor_from_wire)
                .collect())
        }
        .boxed()
    }

    fn pod_metrics(&self) -> Call<'_, Vec<Metric>> {
        const CALL: &str = "ListPodSandboxMetrics";
        let mut runtime = self.runtime.clone();
        async move {
            let answer =
                runtime.list_pod_sandbox_metrics(v1::ListPodSandboxMetricsRequest::default());
            let list = self.within(CALL, self.deadlines.request, answer).await?;
            let mut all = Vec::new();
            for pod in list.pod_metrics {
                all.extend(metrics_from_wire(pod).map_err(malformed(CALL))?);
            }
            Ok(all)
        }
        .boxed()
    }
}
