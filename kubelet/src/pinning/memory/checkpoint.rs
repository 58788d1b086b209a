//! The books of memory on disk, in the form that upstream's kubelet has them in: pure.
//!
//! The checksum is over the data as Go prints it, under the name that the type had in older kubelets.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::books::{Block, MemoryBooks, NodeState};
use crate::pinning::Holder;
use crate::pinning::checksum::{InvalidState, fnv};

/// The file's name.
pub(in crate::pinning) const FILE: &str = "memory_manager_state";

/// Memory by pod and container.
type Entries = BTreeMap<String, BTreeMap<String, Vec<Block>>>;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    policy_name: String,
    #[serde(default)]
    machine_state: BTreeMap<u32, NodeState>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    entries: Entries,
    #[serde(default)]
    checksum: u64,
}

/// What the books of a policy say, as a file.
pub(in crate::pinning) fn write(policy: &str, books: &MemoryBooks) -> Vec<u8> {
    let mut entries = Entries::new();
    for (holder, own) in &books.held {
        let of_pod = entries.entry(holder.pod.to_string()).or_default();
        of_pod.insert(holder.container.clone(), own.clone());
    }
    let mut file = File {
        policy_name: policy.to_owned(),
        machine_state: books.nodes.clone(),
        entries,
        checksum: 0,
    };
    file.checksum = checksum(&file);
    serde_json::to_vec(&file).expect("numbers and texts can be written")
}

/// What a file of a policy says.
pub(in crate::pinning) fn read(policy: &str, bytes: &[u8]) -> Result<MemoryBooks, InvalidState> {
    let file: File = serde_json::from_slice(bytes)?;
    // Files of old kubelets have none.
    if file.checksum != 0 && checksum(&file) != file.checksum {
        return Err(InvalidState::Corrupted);
    }
    if file.policy_name != policy {
        return Err(InvalidState::Policy {
            prefix: "[memorymanager] ",
            configured: policy.to_owned(),
            written: file.policy_name,
        });
    }
    let mut held = BTreeMap::new();
    for (pod, containers) in file.entries {
        for (container, own) in containers {
            let pod = pod.as_str().into();
            held.insert(Holder { pod, container }, own);
        }
    }
    Ok(MemoryBooks {
        nodes: file.machine_state,
        held,
    })
}

fn checksum(file: &File) -> u64 {
    let nodes = file.machine_state.iter().map(|(id, node)| {
        let tables = node.memory_map.iter().map(|(name, table)| {
            format!(
                "{name}:<*>{{TotalMemSize:(uint64){} SystemReserved:(uint64){} \
                 Allocatable:(uint64){} Reserved:(uint64){} Free:(uint64){}}}",
                table.total, table.system_reserved, table.allocatable, table.reserved, table.free
            )
        });
        format!(
            "{id}:<*>{{NumberOfAssignments:(int){} \
             MemoryMap:(map[v1.ResourceName]*state.MemoryTable)map[{}] Cells:([]int){}}}",
            node.number_of_assignments,
            words(tables),
            list(&node.cells)
        )
    });
    let pods = file.entries.iter().map(|(pod, containers)| {
        let containers = containers.iter().map(|(name, own)| {
            let blocks = own.iter().map(|block| {
                format!(
                    "{{NUMAAffinity:([]int){} Type:(v1.ResourceName){} Size:(uint64){}}}",
                    list(&block.nodes),
                    block.resource,
                    block.size
                )
            });
            format!("{name}:[{}]", words(blocks))
        });
        format!("{pod}:map[{}]", words(containers))
    });
    fnv(&format!(
        "(*state.MemoryManagerCheckpoint){{PolicyName:(string){} \
         MachineState:(state.NUMANodeMap)map[{}] \
         Entries:(state.ContainerMemoryAssignments)map[{}] Checksum:(checksum.Checksum)0}}",
        file.policy_name,
        words(nodes),
        words(pods)
    ))
}

fn words(all: impl Iterator<Item = String>) -> String {
    all.collect::<Vec<_>>().join(" ")
}

fn list(numbers: &[u32]) -> String {
    format!("[{}]", words(numbers.iter().map(u32::to_string)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number is the one that upstream's kubelet computes.
    #[test]
    fn files_of_other_kubelets_are_read() {
        let text = r#"{"policyName":"static","machineState":{"0":{"numberOfAssignments":0,
            "memoryMap":{"memory":{"total":2048,"systemReserved":512,"allocatable":1536,
            "reserved":512,"free":1024}},"cells":[]}},
            "entries":{"pod":{"container1":[{"numaAffinity":[0],"type":"memory","size":512}]}},
            "checksum": 4215593881}"#;
        let books = read("static", text.as_bytes()).unwrap();
        assert_eq!(books.held.values().next().unwrap()[0].size, 512);
        let written = write("static", &books);
        assert_eq!(read("static", &written).unwrap(), books);
        let changed = text.replace("1024", "1025");
        let told = read("static", changed.as_bytes()).unwrap_err();
        assert_eq!(told.to_string(), "checkpoint is corrupted");
        let other = read("None", text.as_bytes()).unwrap_err();
        assert_eq!(
            other.to_string(),
            "[memorymanager] configured policy \"None\" differs from state checkpoint policy \
             \"static\""
        );
    }
}
