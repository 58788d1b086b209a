//! A driver as the kubelet asks it: the only place that knows the messages of CSI.

mod convert;
mod error;

use std::path::{Path, PathBuf};
use std::time::Duration;

use podling_proto::csi as v1;
use podling_proto::csi::node_client::NodeClient;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::Wanted;
use super::drivers::NodeInfo;
use crate::cri::unix_channel;
use crate::model::StringMap;
pub(super) use convert::Capabilities;
pub(super) use error::CallError;

/// How long a driver may take for an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A driver that is connected when it is asked.
pub(super) struct Driver {
    client: NodeClient<Channel>,
}

impl Driver {
    /// The driver that listens there.
    pub(super) fn at(endpoint: &Path) -> Self {
        Self {
            client: NodeClient::new(unix_channel(PathBuf::from(endpoint))),
        }
    }

    /// What the driver calls this node.
    pub(super) async fn node_info(&mut self) -> Result<NodeInfo, CallError> {
        let info = in_time(self.client.node_get_info(v1::NodeGetInfoRequest {})).await?;
        Ok(convert::node_info(info))
    }

    /// What it can.
    pub(super) async fn capabilities(&mut self) -> Result<Capabilities, CallError> {
        let request = v1::NodeGetCapabilitiesRequest {};
        let answer = in_time(self.client.node_get_capabilities(request)).await?;
        Ok(convert::capabilities(answer))
    }

    /// Makes the volume ready for the node.
    pub(super) async fn stage(
        &mut self,
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
        in_time(self.client.node_stage_volume(request)).await?;
        Ok(())
    }

    /// Makes it ready for a pod, from where it is staged.
    pub(super) async fn publish(
        &mut self,
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
        in_time(self.client.node_publish_volume(request)).await?;
        Ok(())
    }

    /// Takes it away from a pod.
    pub(super) async fn unpublish(&mut self, handle: &str, target: &Path) -> Result<(), CallError> {
        let request = v1::NodeUnpublishVolumeRequest {
            volume_id: handle.to_owned(),
            target_path: text(target),
        };
        in_time(self.client.node_unpublish_volume(request)).await?;
        Ok(())
    }

    /// Takes it away from the node.
    pub(super) async fn unstage(&mut self, handle: &str, target: &Path) -> Result<(), CallError> {
        let request = v1::NodeUnstageVolumeRequest {
            volume_id: handle.to_owned(),
            staging_target_path: text(target),
        };
        in_time(self.client.node_unstage_volume(request)).await?;
        Ok(())
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

async fn in_time<T>(
    answer: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, CallError> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(Status::deadline_exceeded("context deadline exceeded").into()),
    }
}
