//! Waits until a volume is attached to the node.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::volumes::NodeVolumes;
use crate::api::client::Client;
use crate::csi::{Attachable, Attachments, NotAttached};
use crate::model::StringMap;

/// How long it is waited for, as upstream has it, before it is told and tried again.
const PATIENCE: Duration = Duration::from_secs(123);
/// How often the cluster is asked what was said when it was attached.
const ASK: Duration = Duration::from_millis(500);

/// The code of gRPC for what there is no more of.
const RESOURCE_EXHAUSTED: i32 = 8;

const ATTACHMENTS: &str = "/apis/storage.k8s.io/v1/volumeattachments";

/// Attachments of the cluster.
pub(crate) struct ApiAttachments {
    client: Client,
    volumes: NodeVolumes,
}

impl ApiAttachments {
    /// Those of the node with these volumes.
    pub(crate) fn new(client: Client, volumes: NodeVolumes) -> Self {
        Self { client, volumes }
    }

    /// First the Node says that it uses the volume, then that it has it.
    async fn on_node(&self, name: &str) {
        let mut seen = self.volumes.seen();
        let is_there =
            seen.wait_for(|seen| seen.in_use.contains(name) && seen.attached.contains(name));
        if is_there.await.is_err() {
            std::future::pending().await
        }
    }

    /// Why nobody says that it is attached.
    async fn why_late(&self, volume: &Attachable) -> NotAttached {
        let path = format!("{ATTACHMENTS}/{}", volume.attachment);
        match self.client.get(&path).await {
            Ok(attachment) if is_beyond_limit(&attachment) => NotAttached::BeyondLimit,
            Ok(_) | Err(_) => NotAttached::InTime,
        }
    }

    async fn said(&self, volume: &Attachable) -> Result<StringMap, String> {
        let path = format!("{ATTACHMENTS}/{}", volume.attachment);
        loop {
            match self.client.get(&path).await {
                Ok(attachment) => match verdict(&attachment) {
                    Ok(Some(said)) => return Ok(said),
                    Ok(None) => {}
                    Err(why) => return Err(why),
                },
                Err(error) => {
                    let (handle, id) = (&volume.handle, &volume.attachment);
                    return Err(format!(
                        "volume {handle} has GET error for volume attachment {id}: {error}"
                    ));
                }
            }
            sleep(ASK).await;
        }
    }
}

impl Attachments for ApiAttachments {
    fn wait<'a>(&'a self, volume: &'a Attachable) -> BoxFuture<'a, Result<StringMap, NotAttached>> {
        async move {
            let on_node = timeout(PATIENCE, self.on_node(&volume.name)).await;
            if on_node.is_err() {
                return Err(self.why_late(volume).await);
            }
            let said = timeout(PATIENCE, self.said(volume)).await;
            let said = said.unwrap_or_else(|_| {
                let (driver, handle) = (&volume.driver, &volume.handle);
                Err(format!(
                    "timed out waiting for external-attacher of {driver} CSI driver to attach volume \
                     {handle}"
                ))
            });
            said.map_err(NotAttached::Because)
        }
        .boxed()
    }
}

/// Whether the driver refused because the node can have no more.
fn is_beyond_limit(attachment: &Value) -> bool {
    attachment["status"]["attachError"]["errorCode"] == RESOURCE_EXHAUSTED
}

/// What was said when it was attached; nothing when it is not yet.
fn verdict(attachment: &Value) -> Result<Option<StringMap>, String> {
    if attachment["metadata"]["deletionTimestamp"].is_string() {
        return Err("volume attachment is being deleted".to_owned());
    }
    let status = &attachment["status"];
    if status["attached"] == true {
        let said = serde_json::from_value(status["attachmentMetadata"].clone());
        return Ok(Some(said.unwrap_or_default()));
    }
    match status["attachError"]["message"].as_str() {
        Some(why) => Err(why.to_owned()),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_attachment_says_whether_it_is_done_and_why_not() {
        let of = |status: Value| verdict(&json!({ "metadata": {}, "status": status }));
        assert_eq!(of(json!({})), Ok(None));
        let said = of(json!({ "attached": true, "attachmentMetadata": { "device": "sdb" } }));
        assert_eq!(said.unwrap().unwrap()["device"], "sdb");
        assert_eq!(
            of(json!({ "attached": true })),
            Ok(Some(StringMap::new())),
            "there is nothing to say"
        );
        let failed = of(json!({ "attached": false, "attachError": { "message": "no slot" } }));
        assert_eq!(failed, Err("no slot".to_owned()));
        let full = |code: Value| {
            let error = json!({ "message": "full", "errorCode": code });
            is_beyond_limit(&json!({ "status": { "attachError": error } }))
        };
        assert!(full(json!(8)) && !full(json!(13)) && !full(Value::Null));
        let going = verdict(&json!({ "metadata": { "deletionTimestamp": "now" } }));
        assert_eq!(going, Err("volume attachment is being deleted".to_owned()));
    }
}
