//! Claims of the cluster whose volumes become larger: asked for as they are, and told how they are.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tracing::warn;

use super::claim::{patch, read};
use crate::api::client::{Client, Patch};
use crate::csi::{ClaimNow, Claims, Mark};
use crate::model::{ClaimName, EventKind};

/// The claims of an API server.
pub(crate) struct ApiClaims(Client);

impl ApiClaims {
    /// Those of this one.
    pub(crate) fn new(client: Client) -> Self {
        Self(client)
    }

    async fn patch(&self, claim: ClaimNow, mark: Mark) -> Result<ClaimNow, String> {
        let metadata = &claim.object["metadata"];
        let name = text(&metadata["name"]).to_owned();
        let path = path(text(&metadata["namespace"]), &name);
        let patch = patch(&claim, &mark, &now());
        if patch == json!({ "status": {} }) {
            return Ok(claim);
        }
        let path = format!("{path}/status");
        match self.0.patch(&path, Patch::Strategic, &patch).await {
            Ok(object) => Ok(read(object)),
            Err(why) => Err(format!(
                "patchPVCStatus failed to patch PVC {name:?}: {why}"
            )),
        }
    }

    async fn post(&self, claim: &ClaimNow, (kind, reason, words): (EventKind, &str, &str)) {
        let event = event(claim, (kind, reason, words), jiff::Timestamp::now());
        let namespace = text(&event["metadata"]["namespace"]).to_owned();
        let path = format!("/api/v1/namespaces/{namespace}/events");
        if let Err(error) = self.0.create(&path, &event).await {
            warn!(%error, reason, "a claim's event is not told");
        }
    }
}

impl Claims for ApiClaims {
    fn look<'a>(&'a self, claim: &'a ClaimName) -> BoxFuture<'a, Result<ClaimNow, String>> {
        async move {
            let found = self.0.get(&path(&claim.namespace, &claim.name)).await;
            found.map(read).map_err(|error| error.to_string())
        }
        .boxed()
    }

    fn mark(&self, claim: ClaimNow, mark: Mark) -> BoxFuture<'_, Result<ClaimNow, String>> {
        self.patch(claim, mark).boxed()
    }

    fn tell<'a>(
        &'a self,
        claim: &'a ClaimNow,
        said: (EventKind, &'static str, &'a str),
    ) -> BoxFuture<'a, ()> {
        self.post(claim, said).boxed()
    }
}

fn path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn now() -> String {
    whole_second(jiff::Timestamp::now())
}

/// API times have no fraction.
fn whole_second(time: jiff::Timestamp) -> String {
    let whole = jiff::Timestamp::from_second(time.as_second());
    whole.unwrap_or(time).to_string()
}

fn event(
    claim: &ClaimNow,
    (kind, reason, words): (EventKind, &str, &str),
    at: jiff::Timestamp,
) -> Value {
    let metadata = &claim.object["metadata"];
    let name = text(&metadata["name"]);
    let kind = match kind {
        EventKind::Normal => "Normal",
        EventKind::Warning => "Warning",
    };
    json!({
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {
            "name": format!("{name}.{:x}", at.as_nanosecond()),
            "namespace": metadata["namespace"],
        },
        "involvedObject": {
            "kind": "PersistentVolumeClaim",
            "apiVersion": "v1",
            "namespace": metadata["namespace"],
            "name": name,
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "type": kind,
        "reason": reason,
        "message": words,
        "count": 1,
        "firstTimestamp": whole_second(at),
        "lastTimestamp": whole_second(at),
        "source": { "component": "kubelet" },
        "reportingComponent": "kubelet",
    })
}
