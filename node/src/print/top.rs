//! `top`: processor and memory in the units that kubectl prints.
#![deny(clippy::disallowed_methods)]

use serde::Deserialize;

use super::table;

/// As much of the kubelet's summary as is shown.
#[derive(Debug, Deserialize)]
pub(crate) struct Summary {
    pub(crate) node: Node,
    #[serde(default)]
    pub(crate) pods: Vec<Pod>,
}

impl Summary {
    /// Whether it is known of all processor time that was measured how much it was of late.
    pub(crate) fn has_rates(&self) -> bool {
        let of_pods = self.pods.iter().filter_map(|pod| pod.cpu.as_ref());
        let mut all = of_pods.chain(&self.node.cpu);
        all.all(|cpu| cpu.usage_nano_cores.is_some())
    }
}

/// The node.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Node {
    pub(crate) node_name: String,
    cpu: Option<Cpu>,
    memory: Option<Memory>,
}

/// A pod.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pod {
    pub(crate) pod_ref: PodRef,
    #[serde(default)]
    containers: Vec<Container>,
    cpu: Option<Cpu>,
    memory: Option<Memory>,
}

/// Which pod.
#[derive(Debug, Deserialize)]
pub(crate) struct PodRef {
    pub(crate) name: String,
    pub(crate) namespace: String,
}

#[derive(Debug, Deserialize)]
struct Container {
    name: String,
    cpu: Option<Cpu>,
    memory: Option<Memory>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cpu {
    usage_nano_cores: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    working_set_bytes: Option<u64>,
    available_bytes: Option<u64>,
}

/// Which columns and rows the table of pods has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Columns {
    /// NAMESPACE, in front.
    pub(crate) namespace: bool,
    /// A row for each container instead of each pod.
    pub(crate) containers: bool,
}

/// The table of pods, or of their containers.
pub(crate) fn pods(pods: &[&Pod], columns: Columns) -> String {
    let mut header = vec!["NAME", "CPU(cores)", "MEMORY(bytes)"];
    if columns.containers {
        header.insert(0, "POD");
    }
    if columns.namespace {
        header.insert(0, "NAMESPACE");
    }
    let mut rows = Vec::new();
    for pod in pods {
        let mut first = Vec::new();
        if columns.namespace {
            first.push(pod.pod_ref.namespace.clone());
        }
        first.push(pod.pod_ref.name.clone());
        if columns.containers {
            for container in &pod.containers {
                let mut row = first.clone();
                row.push(container.name.clone());
                row.extend(cells(container.cpu.as_ref(), container.memory.as_ref()));
                rows.push(row);
            }
        } else {
            first.extend(cells(pod.cpu.as_ref(), pod.memory.as_ref()));
            rows.push(first);
        }
    }
    table::lay_out(&header, &rows)
}

/// The table of the node.
pub(crate) fn node(summary: &Summary) -> String {
    let Node {
        node_name,
        cpu,
        memory,
    } = &summary.node;
    let mut row = vec![node_name.clone()];
    row.extend(cells(cpu.as_ref(), memory.as_ref()));
    let used = memory.as_ref().and_then(|memory| {
        let used = memory.working_set_bytes?;
        (100 * used).checked_div(used + memory.available_bytes?)
    });
    row.push(used.map_or_else(|| "<unknown>".to_owned(), |percent| format!("{percent}%")));
    let header = ["NAME", "CPU(cores)", "MEMORY(bytes)", "MEMORY(%)"];
    table::lay_out(&header, &[row])
}

/// Thousandths of a core, rounded up, and whole mebibytes.
fn cells(cpu: Option<&Cpu>, memory: Option<&Memory>) -> [String; 2] {
    let unknown = || "<unknown>".to_owned();
    let cores = cpu.and_then(|cpu| cpu.usage_nano_cores);
    let bytes = memory.and_then(|memory| memory.working_set_bytes);
    [
        cores.map_or_else(unknown, |nano| format!("{}m", nano.div_ceil(1_000_000))),
        bytes.map_or_else(unknown, |bytes| format!("{}Mi", bytes >> 20)),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn summary() -> Summary {
        let used = json!({ "usageNanoCores": 1_500_001 });
        let memory = json!({ "workingSetBytes": 3 << 20, "availableBytes": 9 << 20 });
        serde_json::from_value(json!({
            "node": { "nodeName": "node", "cpu": used, "memory": memory },
            "pods": [{
                "podRef": { "name": "web-node", "namespace": "default", "uid": "u" },
                "cpu": used, "memory": memory,
                "containers": [
                    { "name": "web", "cpu": used, "memory": memory },
                    { "name": "new" },
                ],
            }],
        }))
        .unwrap()
    }

    #[test]
    fn what_was_measured_for_the_first_time_has_no_rate() {
        let mut summary = summary();
        assert!(summary.has_rates());
        summary.pods[0].cpu = None;
        assert!(summary.has_rates(), "it was not measured");
        summary.pods[0].cpu = Some(Cpu {
            usage_nano_cores: None,
        });
        assert!(!summary.has_rates());
    }

    #[test]
    fn numbers_have_kubectls_units() {
        let summary = summary();
        let all: Vec<_> = summary.pods.iter().collect();
        assert_eq!(
            pods(&all, Columns::default()),
            "NAME       CPU(cores)   MEMORY(bytes)\nweb-node   2m           3Mi\n"
        );
        let columns = Columns {
            namespace: true,
            containers: true,
        };
        let expected = "NAMESPACE   POD        NAME   CPU(cores)   MEMORY(bytes)\n\
                        default     web-node   web    2m           3Mi\n\
                        default     web-node   new    <unknown>    <unknown>\n";
        assert_eq!(pods(&all, columns), expected);
        assert_eq!(
            node(&summary),
            "NAME   CPU(cores)   MEMORY(bytes)   MEMORY(%)\nnode   2m           3Mi             25%\n"
        );
    }
}
