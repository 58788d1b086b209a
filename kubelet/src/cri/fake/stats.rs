//! What the runtime in memory says is used: what a test has set.

use futures::FutureExt;

use super::FakeRuntime;
use super::world::refused;
use crate::cri::{Call, ImageFilesystems, Metric, MetricDescriptor, PodStats, Statistics};
use crate::model::SandboxId;

/// What is used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Used {
    /// By pods.
    pub(crate) pods: Vec<PodStats>,
    /// Of file systems.
    pub(crate) filesystems: ImageFilesystems,
    /// What the metrics are.
    pub(crate) descriptors: Vec<MetricDescriptor>,
    /// The metrics.
    pub(crate) metrics: Vec<Metric>,
}

impl FakeRuntime {
    /// Says what is used.
    pub(crate) fn uses(&self, used: Used) {
        self.world().used = used;
    }
}

impl Statistics for FakeRuntime {
    fn pod_stats(&self) -> Call<'_, Vec<PodStats>> {
        async move {
            let mut world = self.world();
            world.enter("ListPodSandboxStats")?;
            Ok(world.used.pods.clone())
        }
        .boxed()
    }

    fn pod_stats_of(&self, id: SandboxId) -> Call<'_, PodStats> {
        async move {
            let mut world = self.world();
            world.enter("PodSandboxStats")?;
            let mut pods = world.used.pods.iter();
            let found = pods.find(|pod| pod.id == id).cloned();
            found.ok_or_else(|| refused("PodSandboxStats", "it is not ready".to_owned()))
        }
        .boxed()
    }

    fn image_filesystems(&self) -> Call<'_, ImageFilesystems> {
        async move {
            let mut world = self.world();
            world.enter("ImageFsInfo")?;
            Ok(world.used.filesystems.clone())
        }
        .boxed()
    }

    fn metric_descriptors(&self) -> Call<'_, Vec<MetricDescriptor>> {
        async move {
            let mut world = self.world();
            world.enter("ListMetricDescriptors")?;
            Ok(world.used.descriptors.clone())
        }
        .boxed()
    }

    fn pod_metrics(&self) -> Call<'_, Vec<Metric>> {
        async move {
            let mut world = self.world();
            world.enter("ListPodSandboxMetrics")?;
            Ok(world.used.metrics.clone())
        }
        .boxed()
    }
}
