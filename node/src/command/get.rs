//! `podling get pods`.

use std::process::ExitCode;

use k8s_openapi::jiff::Timestamp;
use podling_runtime::layout::Layout;
use serde_json::Value;

use super::{Outcome, output};
use crate::args::{GetPodsArguments, OutputFormat};
use crate::kubelet::Kubelet;
use crate::kubelet::pod::{self, ChoiceError, Pod};
use crate::print::object;
use crate::print::pods::{self, Columns};

pub(super) async fn run(layout: &Layout, arguments: &GetPodsArguments) -> Outcome {
    let all = Kubelet::of(layout).pods().await?;
    let chosen = choose(&all, arguments)?;
    match arguments.output {
        Some(OutputFormat::Json) => output::print(&object::to_json(&document(&chosen, arguments))?),
        Some(OutputFormat::Yaml) => output::print(&object::to_yaml(&document(&chosen, arguments))?),
        Some(OutputFormat::Name) => {
            let name = |pod: &&Pod| format!("pod/{}\n", pod.name());
            output::print(&chosen.iter().map(name).collect::<String>())
        }
        None | Some(OutputFormat::Wide) => print_table(&chosen, arguments),
    }
}

/// The pods that are asked for, by namespace and name.
fn choose<'a>(all: &'a [Pod], arguments: &GetPodsArguments) -> Result<Vec<&'a Pod>, ChoiceError> {
    let namespace = &arguments.namespace.namespace;
    if !arguments.names.is_empty() {
        return arguments
            .names
            .iter()
            .map(|name| pod::find(all, namespace, name))
            .collect();
    }
    let is_asked = |pod: &&Pod| arguments.all_namespaces || pod.namespace() == namespace;
    let mut chosen: Vec<_> = all.iter().filter(is_asked).collect();
    chosen.sort_by_key(|pod| (pod.namespace(), pod.name()));
    Ok(chosen)
}

/// The one pod that was named, or a List.
fn document(chosen: &[&Pod], arguments: &GetPodsArguments) -> Value {
    let objects: Vec<_> = chosen
        .iter()
        .map(|pod| object::pod(pod.raw.clone()))
        .collect();
    match <[Value; 1]>::try_from(objects) {
        Ok([only]) if arguments.names.len() == 1 => only,
        Ok(one) => object::list(one.into()),
        Err(several) => object::list(several),
    }
}

fn print_table(chosen: &[&Pod], arguments: &GetPodsArguments) -> Outcome {
    if chosen.is_empty() {
        eprintln!("{}", nothing_found(arguments));
        return Ok(ExitCode::SUCCESS);
    }
    let columns = Columns {
        namespace: arguments.all_namespaces,
        wide: arguments.output == Some(OutputFormat::Wide),
    };
    output::print(&pods::table(
        chosen.iter().map(|pod| &pod.api),
        columns,
        Timestamp::now(),
    ))
}

fn nothing_found(arguments: &GetPodsArguments) -> String {
    if arguments.all_namespaces {
        return "No resources found".to_owned();
    }
    format!(
        "No resources found in {} namespace.",
        arguments.namespace.namespace
    )
}
