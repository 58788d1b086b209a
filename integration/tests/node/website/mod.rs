//! The pod examples of the Kubernetes website, a file for each group of them.
//!
//! The manifests here are written anew with the fields that an example of that name shows, at a pace at
//! which a test can wait for them; what is asserted is what the website says should be seen. Their images
//! are known by the website's names and mapped to images that were built from Debian packages.

mod basics;
mod config;
mod downward;
mod given;
mod life;
mod probes;
mod resources;
mod security;
mod storage;

use podling_integration::harness::{Node, Pod};
use serde_json::{Value, json};

/// Names on the website, and what stands for them here.
const LOCAL: &[(&str, &str)] = &[
    ("busybox", "busybox"),
    ("debian", "busybox"),
    ("registry.k8s.io/busybox", "busybox"),
    ("gcr.io/google-samples/hello-app", "busybox"),
    ("nginx", "nginx"),
    ("redis", "redis"),
];

/// A node with the images that examples need.
pub(crate) struct Site {
    pub(crate) node: Node,
    images: Vec<(&'static str, String)>,
}

impl Site {
    /// A node with these images: `busybox`, `nginx`, `redis`.
    pub(crate) async fn start(images: &[&'static str]) -> Self {
        let node = Node::start().await;
        let mut imported = Vec::new();
        for image in images {
            imported.push((*image, node.import_debian(image).await));
        }
        Self {
            node,
            images: imported,
        }
    }

    /// Writes an example's documents, with local images.
    pub(crate) fn apply(&self, name: &str, documents: &[Value]) {
        let documents: Vec<_> = documents
            .iter()
            .map(|document| self.localised(document).to_string())
            .collect();
        self.node
            .manifest(&format!("{name}.yaml"), &documents.join("\n---\n"));
    }

    /// The same with every `image` mapped.
    pub(crate) fn localised(&self, document: &Value) -> Value {
        match document {
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| match value {
                    Value::String(image) if name == "image" || name == "reference" => {
                        (name.clone(), self.local(image).into())
                    }
                    value => (name.clone(), self.localised(value)),
                })
                .collect(),
            Value::Array(items) => items.iter().map(|item| self.localised(item)).collect(),
            other => other.clone(),
        }
    }

    /// What stands here for an image of the website.
    fn local(&self, image: &str) -> String {
        let bare = image.split(':').next().unwrap_or_default();
        let (_, name) = LOCAL
            .iter()
            .find(|(site, _)| *site == bare)
            .unwrap_or_else(|| panic!("no image stands for {image}"));
        let found = self.images.iter().find(|(local, _)| local == name);
        found
            .unwrap_or_else(|| panic!("{name} was not imported for {image}"))
            .1
            .clone()
    }

    pub(crate) async fn ready(&self, name: &str) -> Pod {
        self.node
            .wait_pod(name, "is ready", |pod| pod.is_ready())
            .await
    }

    pub(crate) async fn succeeded(&self, name: &str) -> Pod {
        self.node
            .wait_pod(name, "has succeeded", |pod| pod.phase() == "Succeeded")
            .await
    }

    /// What a container of a pod that has succeeded had said.
    pub(crate) async fn output(&self, name: &str, container: &str) -> String {
        let pod = self.succeeded(name).await;
        self.node.logs(&pod, container)
    }

    /// What a script says in a container.
    pub(crate) fn shell(&self, pod: &str, container: &str, script: &str) -> String {
        let words = ["exec", pod, "-c", container, "--", "sh", "-c", script];
        let output = self.node.podling(&words);
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {why}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// The manifest of an example.
fn example(name: &str, spec: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec })
}

/// The same with labels and annotations.
fn described(name: &str, labels: Value, annotations: Value, spec: Value) -> Value {
    let mut example = example(name, spec);
    example["metadata"]["labels"] = labels;
    example["metadata"]["annotations"] = annotations;
    example
}

/// A ConfigMap, or with `kind` a Secret whose values are plain.
fn object(kind: &str, name: &str, data: Value) -> Value {
    let field = if kind == "Secret" {
        "stringData"
    } else {
        "data"
    };
    let mut object = json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } });
    object[field] = data;
    object
}
