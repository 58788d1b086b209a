//! `podling get nodes`: this one.

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::jiff::Timestamp;
use podling_runtime::layout::Layout;
use serde::Deserialize;
use serde_json::Value;

use super::{Outcome, output};
use crate::args::{GetNodesArguments, OutputFormat};
use crate::kubelet::Kubelet;
use crate::print::nodes::{self, Width};
use crate::print::object;

pub(super) async fn run(layout: &Layout, arguments: &GetNodesArguments) -> Outcome {
    let raw: Value = Kubelet::of(layout).object("/node").await?;
    let node = Node::deserialize(&raw)?;
    let name = node.metadata.name.clone().unwrap_or_default();
    if let Some(other) = arguments.names.iter().find(|one| **one != name) {
        return Err(format!("nodes {other:?} not found: this is {name:?}").into());
    }
    let document = if arguments.names.is_empty() {
        object::list(vec![raw])
    } else {
        raw
    };
    match arguments.output {
        Some(OutputFormat::Json) => output::print(&object::to_json(&document)?),
        Some(OutputFormat::Yaml) => output::print(&object::to_yaml(&document)?),
        Some(OutputFormat::Name) => output::print(&format!("node/{name}\n")),
        Some(OutputFormat::Wide) => print(node, Width::Wide),
        None => print(node, Width::Usual),
    }
}

fn print(node: Node, width: Width) -> Outcome {
    output::print(&nodes::table(&[node], width, Timestamp::now()))
}
