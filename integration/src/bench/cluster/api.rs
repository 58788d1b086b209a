//! The API server, as far as a bench needs it: pods made, deleted, and watched.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::StreamExt;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::bench::pod::sleeper;
use crate::harness::cluster::known;

const LABEL: &str = "podling.dev/cluster-bench";
const PODS: &str = "/api/v1/namespaces/default/pods";
/// Longer than any run.
const WATCHED: Duration = Duration::from_secs(3600);
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why the cluster cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A file that describes the cluster is missing.
    #[error("cannot read {0}")]
    File(PathBuf, #[source] std::io::Error),
    /// The API server did not answer.
    #[error("cannot ask the API server")]
    Ask(#[from] reqwest::Error),
    /// It refused.
    #[error("{what}: {status}: {answer}")]
    Refused {
        /// What was asked.
        what: String,
        /// Its answer.
        status: StatusCode,
        /// In its words.
        answer: String,
    },
    /// Something did not happen.
    #[error("{pod} was not {what} in {PATIENCE:?}")]
    NotSeen {
        /// The pod.
        pod: String,
        /// What was waited for.
        what: &'static str,
    },
}

/// What a watch has told of a pod, and when.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) pod: String,
    pub(super) is_running: bool,
    pub(super) is_ready: bool,
    pub(super) is_gone: bool,
}

/// The admin of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Api {
    http: Client,
    url: String,
    image: String,
}

/// Pods of the bench, as a watch tells of them.
pub(super) struct Watch(mpsc::UnboundedReceiver<Seen>);

impl Api {
    pub(super) fn new(directory: &Path, image: &str) -> Result<Self, ApiError> {
        let read = |name: &str| {
            let path = directory.join(name);
            fs::read_to_string(&path).map_err(|error| ApiError::File(path, error))
        };
        Ok(Self {
            http: known(
                &read("ca.crt")?,
                &(read("admin.crt")? + &read("admin.key")?),
            ),
            url: read("server")?.trim().to_owned(),
            image: image.to_owned(),
        })
    }

    /// Makes a pod on a node.
    pub(super) async fn create(&self, node: &str, name: &str) -> Result<(), ApiError> {
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {LABEL: "pod"}},
            "spec": {
                "nodeName": node,
                "automountServiceAccountToken": false,
                "containers": [{
                    "name": "sleep",
                    "image": self.image,
                    "imagePullPolicy": "Never",
                    "command": sleeper(),
                    "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}},
                }],
            },
        });
        self.ask(Method::POST, PODS, Some(&pod)).await.map(drop)
    }

    /// Deletes a pod with its own grace; one that is not there is gone.
    pub(super) async fn delete(&self, name: &str) -> Result<(), ApiError> {
        let path = format!("{PODS}/{name}");
        let asked = self.ask(Method::DELETE, &path, None);
        match asked.await {
            Err(ApiError::Refused { status, .. }) if status == StatusCode::NOT_FOUND => Ok(()),
            asked => asked.map(drop),
        }
    }

    /// The names of the bench's pods that are there, and the version of that list.
    pub(super) async fn list(&self) -> Result<(Vec<String>, String), ApiError> {
        let path = format!("{PODS}?labelSelector={LABEL}%3Dpod");
        let list: Value = body(self.ask(Method::GET, &path, None).await?).await?;
        let items = list["items"].as_array().into_iter().flatten();
        let names = items.filter_map(|pod| pod["metadata"]["name"].as_str());
        let version = list["metadata"]["resourceVersion"].as_str();
        Ok((
            names.map(str::to_owned).collect(),
            version.unwrap_or_default().to_owned(),
        ))
    }

    /// Follows the bench's pods from now on.
    pub(super) async fn watch(&self) -> Result<Watch, ApiError> {
        let (_, version) = self.list().await?;
        let path = format!("{PODS}?watch=1&labelSelector={LABEL}%3Dpod&resourceVersion={version}");
        let mut lines = self.ask(Method::GET, &path, None).await?.bytes_stream();
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut text = Vec::new();
            while let Some(Ok(bytes)) = lines.next().await {
                let at = Instant::now();
                text.extend_from_slice(&bytes);
                while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    if sender.send(seen(&line, at)).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Watch(receiver))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        object: Option<&Value>,
    ) -> Result<Response, ApiError> {
        let request = self
            .http
            .request(method.clone(), format!("{}{path}", self.url));
        let mut request = request.timeout(WATCHED);
        if let Some(object) = object {
            let request_body = object.to_string();
            request = request
                .header("Content-Type", "application/json")
                .body(request_body);
        }
        let response = request.send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        Err(ApiError::Refused {
            what: format!("{method} {path}"),
            status,
            answer: String::from_utf8_lossy(&response.bytes().await?).into_owned(),
        })
    }
}

impl Watch {
    /// The time at which the first of these is told that `is_so`; all before it are passed over.
    pub(super) async fn wait(
        &mut self,
        pod: &str,
        what: &'static str,
        is_so: fn(&Seen) -> bool,
    ) -> Result<Instant, ApiError> {
        let look = async {
            while let Some(seen) = self.0.recv().await {
                if seen.pod.starts_with(pod) && is_so(&seen) {
                    return Some(seen.at);
                }
            }
            None
        };
        let found = tokio::time::timeout(PATIENCE, look).await;
        found.ok().flatten().ok_or_else(|| ApiError::NotSeen {
            pod: pod.to_owned(),
            what,
        })
    }

    /// The next of anything.
    pub(super) async fn next(&mut self) -> Option<Seen> {
        let next = tokio::time::timeout(PATIENCE, self.0.recv()).await;
        next.ok().flatten()
    }
}

async fn body(response: Response) -> Result<Value, ApiError> {
    let bytes = response.bytes().await?;
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

fn seen(line: &[u8], at: Instant) -> Seen {
    let event: Value = serde_json::from_slice(line).unwrap_or_default();
    let pod = &event["object"];
    let conditions = pod["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    Seen {
        at,
        pod: pod["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        is_running: pod["status"]["phase"] == "Running",
        is_ready: conditions.any(|one| one["type"] == "Ready" && one["status"] == "True"),
        is_gone: event["type"] == "DELETED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_tells_how_far_its_pod_is() {
        let line = json!({"type": "MODIFIED", "object": {
            "metadata": {"name": "one"},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]},
        }});
        let seen = seen(line.to_string().as_bytes(), Instant::now());
        assert_eq!(seen.pod, "one");
        assert!(
            seen.is_running && !seen.is_ready && !seen.is_gone,
            "{seen:?}"
        );
    }
}
