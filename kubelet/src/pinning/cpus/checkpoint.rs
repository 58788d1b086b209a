//! The books of CPUs on disk, in the form that upstream's kubelet has them in: pure.
//!
//! The checksum is over the data as Go prints it, under the name that the type had in older kubelets.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::CpuBooks;
use crate::pinning::checksum::{InvalidState, fnv};
use crate::pinning::{CpuSet, Holder};

/// The file's name.
pub(in crate::pinning) const FILE: &str = "cpu_manager_state";

/// CPUs by pod and container.
type Entries = BTreeMap<String, BTreeMap<String, String>>;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    policy_name: String,
    #[serde(alias = "defaultCPUSet", default)]
    default_cpu_set: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    entries: Entries,
    #[serde(default)]
    checksum: u64,
}

/// What the books of a policy say, as a file.
pub(in crate::pinning) fn write(policy: &str, books: &CpuBooks) -> Vec<u8> {
    let mut entries = Entries::new();
    for (holder, own) in &books.held {
        let of_pod = entries.entry(holder.pod.to_string()).or_default();
        of_pod.insert(holder.container.clone(), own.to_string());
    }
    let mut file = File {
        policy_name: policy.to_owned(),
        default_cpu_set: books.shared.to_string(),
        entries,
        checksum: 0,
    };
    file.checksum = checksum(&file);
    serde_json::to_vec(&file).expect("numbers and texts can be written")
}

/// What a file of a policy says.
pub(in crate::pinning) fn read(policy: &str, bytes: &[u8]) -> Result<CpuBooks, InvalidState> {
    let file: File = serde_json::from_slice(bytes)?;
    // Files of old kubelets have none.
    if file.checksum != 0 && checksum(&file) != file.checksum {
        return Err(InvalidState::Corrupted);
    }
    if file.policy_name != policy {
        return Err(InvalidState::Policy {
            prefix: "",
            configured: policy.to_owned(),
            written: file.policy_name,
        });
    }
    let shared = &file.default_cpu_set;
    let shared = CpuSet::parse(shared).map_err(|why| {
        InvalidState::Malformed(format!("could not parse default cpu set {shared:?}: {why}"))
    })?;
    let mut held = BTreeMap::new();
    for (pod, containers) in file.entries {
        for (container, text) in containers {
            let own = CpuSet::parse(&text).map_err(|why| {
                InvalidState::Malformed(format!(
                    "could not parse cpuset {text:?} for container {container:?} in pod {pod:?}: \
                     {why}"
                ))
            })?;
            let pod = pod.as_str().into();
            held.insert(Holder { pod, container }, own);
        }
    }
    Ok(CpuBooks { shared, held })
}

fn checksum(file: &File) -> u64 {
    let pods = file.entries.iter().map(|(pod, containers)| {
        let containers = containers.iter();
        let words: Vec<_> = containers
            .map(|(name, own)| format!("{name}:{own}"))
            .collect();
        format!("{pod}:map[{}]", words.join(" "))
    });
    fnv(&format!(
        "(*state.CPUManagerCheckpoint){{PolicyName:(string){} DefaultCPUSet:(string){} \
         Entries:(map[string]map[string]string)map[{}] Checksum:(checksum.Checksum)0}}",
        file.policy_name,
        file.default_cpu_set,
        pods.collect::<Vec<_>>().join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are those that upstream's kubelet computes.
    #[test]
    fn files_of_other_kubelets_are_read() {
        let empty =
            r#"{"policyName":"none","defaultCpuSet":"4-6","entries":{},"checksum":354655845}"#;
        let books = read("none", empty.as_bytes()).unwrap();
        assert_eq!(books.shared.to_string(), "4-6");
        let two = r#"{"policyName":"none","defaultCpuSet":"1-3","checksum":3610638499,
            "entries":{"pod":{"container1":"4-6","container2":"1-3"}}}"#;
        let books = read("none", two.as_bytes()).unwrap();
        let held: Vec<_> = books.held.values().map(CpuSet::to_string).collect();
        assert_eq!(held, ["4-6", "1-3"]);
        assert_eq!(read("none", &write("none", &books)).unwrap(), books);
    }

    #[test]
    fn what_cannot_be_used_is_told_in_upstreams_words() {
        let told = |text: &str| read("none", text.as_bytes()).unwrap_err().to_string();
        let changed = r#"{"policyName":"none","defaultCpuSet":"4-6","checksum":1337}"#;
        assert_eq!(told(changed), "checkpoint is corrupted");
        let other =
            r#"{"policyName":"other","defaultCpuSet":"1-3","entries":{},"checksum":1394507217}"#;
        assert_eq!(
            told(other),
            "configured policy \"none\" differs from state checkpoint policy \"other\""
        );
        let list =
            r#"{"policyName":"none","defaultCpuSet":"1.3","entries":{},"checksum":3021697696}"#;
        assert_eq!(
            told(list),
            "could not parse default cpu set \"1.3\": strconv.Atoi: parsing \"1.3\": invalid syntax"
        );
        let own = r#"{"policyName":"none","defaultCpuSet":"1-3","checksum":962272150,
            "entries":{"pod":{"container1":"4-6","container2":"asd"}}}"#;
        assert_eq!(
            told(own),
            "could not parse cpuset \"asd\" for container \"container2\" in pod \"pod\": \
             strconv.Atoi: parsing \"asd\": invalid syntax"
        );
    }
}
