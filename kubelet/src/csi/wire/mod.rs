//! A driver as the kubelet asks it: the only place that knows the messages of CSI.

mod convert;
mod error;

use std::path::{Path, PathBuf};
use std::time::Duration;

use podling_proto::csi as v1;
use podling_proto::csi::node_client::NodeClient;
use tokio::time::{Instant, timeout};
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::drivers::NodeInfo;
use super::{Larger, Secrets, Wanted};
use crate::cri::unix_channel;
use crate::metrics::VolumeMetrics;
use crate::model::{Migrated, Quantity, StringMap};
use crate::summary::Room;
pub(super) use convert::Capabilities;
pub(super) use error::CallError;

/// How long a driver may take for an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A driver that is connected when it is asked.
pub(super) struct Driver {
    name: String,
    /// Whether it is asked for a volume of a plugin of old.
    migrated: Migrated,
    client: NodeClient<Channel>,
    metrics: VolumeMetrics,
}

impl Driver {
    /// The driver of this name, which listens there.
    pub(super) fn at(name: &str, endpoint: &Path, metrics: VolumeMetrics) -> Self {
        Self {
            name: name.to_owned(),
            migrated: Migrated::No,
            metrics,
            client: NodeClient::new(unix_channel(PathBuf::from(endpoint))),
        }
    }

    /// The same, asked for a volume that is written so.
    pub(super) fn asked_for(self, migrated: Migrated) -> Self {
        Self { migrated, ..self }
    }

    /// What the driver calls this node.
    pub(super) async fn node_info(&self) -> Result<NodeInfo, CallError> {
        let mut client = self.client.clone();
        let info = self
            .call(
                "NodeGetInfo",
                client.node_get_info(v1::NodeGetInfoRequest {}),
            )
            .await?;
        Ok(convert::node_info(info))
    }

    /// What it can.
    pub(super) async fn capabilities(&self) -> Result<Capabilities, CallError> {
        let request = v1::NodeGetCapabilitiesRequest {};
        let mut client = self.client.clone();
        let answer = self
            .call("NodeGetCapabilities", client.node_get_capabilities(request))
            .await?;
        Ok(convert::capabilities(answer))
    }

    /// Makes the volume ready for the node.
    pub(super) async fn stage(
        &self,
        wanted: &Wanted,
        target: &Path,
        can: Capabilities,
    ) -> Result<(), CallError> {
        let request = v1::NodeStageVolumeRequest {
            volume_id: wanted.handle.clone(),
            publish_context: wanted.publish_context.clone(),
            staging_target_path: text(target),
            volume_capability: Some(convert::volume(wanted, can)),
            secrets: wanted.stage_secrets.0.clone(),
            volume_context: wanted.context.clone(),
        };
        let mut client = self.client.clone();
        self.call("NodeStageVolume", client.node_stage_volume(request))
            .await?;
        Ok(())
    }

    /// Makes it ready for a pod, from where it is staged.
    pub(super) async fn publish(
        &self,
        wanted: &Wanted,
        (staged, target): (Option<&Path>, &Path),
        can: Capabilities,
    ) -> Result<(), CallError> {
        let mut context = wanted.context.clone();
        let about: StringMap = wanted.about_pod.clone();
        context.extend(about);
        let request = v1::NodePublishVolumeRequest {
            volume_id: wanted.handle.clone(),
            publish_context: wanted.publish_context.clone(),
            staging_target_path: staged.map(text).unwrap_or_default(),
            target_path: text(target),
            volume_capability: Some(convert::volume(wanted, can)),
            readonly: wanted.read_only,
            secrets: wanted.publish_secrets.0.clone(),
            volume_context: context,
        };
        let mut client = self.client.clone();
        self.call("NodePublishVolume", client.node_publish_volume(request))
            .await?;
        Ok(())
    }

    /// Makes it hold so much, where it is for a pod and where it is staged.
    pub(super) async fn expand(
        &self,
        larger: &Larger,
        (target, staged): (&Path, &Path),
        (size, secrets): (Quantity, &Secrets),
        can: Capabilities,
    ) -> Result<(), CallError> {
        let request = v1::NodeExpandVolumeRequest {
            volume_id: larger.handle.clone(),
            volume_path: text(target),
            capacity_range: Some(v1::CapacityRange {
                required_bytes: i64::try_from(size.units()).unwrap_or(i64::MAX),
                limit_bytes: 0,
            }),
            staging_target_path: text(staged),
            volume_capability: Some(convert::larger(larger, can)),
            secrets: secrets.0.clone(),
        };
        let mut client = self.client.clone();
        self.call("NodeExpandVolume", client.node_expand_volume(request))
            .await?;
        Ok(())
    }

    /// How full it is.
    pub(super) async fn room(&self, handle: &str, target: &Path) -> Result<Room, CallError> {
        let request = v1::NodeGetVolumeStatsRequest {
            volume_id: handle.to_owned(),
            volume_path: text(target),
            staging_target_path: String::new(),
        };
        let mut client = self.client.clone();
        let answer = client.node_get_volume_stats(request);
        Ok(convert::room(
            self.call("NodeGetVolumeStats", answer).await?,
        ))
    }

    /// Takes it away from a pod.
    pub(super) async fn unpublish(&self, handle: &str, target: &Path) -> Result<(), CallError> {
        let request = v1::NodeUnpublishVolumeRequest {
            volume_id: handle.to_owned(),
            target_path: text(target),
        };
        let mut client = self.client.clone();
        self.call("NodeUnpublishVolume", client.node_unpublish_volume(request))
            .await?;
        Ok(())
    }

    /// Takes it away from the node.
    pub(super) async fn unstage(&self, handle: &str, target: &Path) -> Result<(), CallError> {
        let request = v1::NodeUnstageVolumeRequest {
            volume_id: handle.to_owned(),
            staging_target_path: text(target),
        };
        let mut client = self.client.clone();
        self.call("NodeUnstageVolume", client.node_unstage_volume(request))
            .await?;
        Ok(())
    }

    /// Waits for an answer, and counts it.
    async fn call<T>(
        &self,
        method: &'static str,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CallError> {
        let began = Instant::now();
        let answer = match timeout(PATIENCE, answer).await {
            Ok(answer) => answer.map(Response::into_inner).map_err(CallError::from),
            Err(_) => Err(Status::deadline_exceeded("context deadline exceeded").into()),
        };
        let driver = (self.name.as_str(), self.migrated);
        self.metrics
            .call(driver, method, code(&answer), began.elapsed());
        answer
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn code<T>(answer: &Result<T, CallError>) -> &'static str {
    answer.as_ref().map_or_else(CallError::code, |_| "OK")
}
