//! Flags as they are written on a command line.

use serde_json::json;

use super::*;

fn said(flags: &[(&str, &str)]) -> Result<Map<String, Value>, Vec<Problem>> {
    let given: Vec<_> = flags
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let mut fields = Map::new();
    for (_, path, value) in read(&given)?.fields {
        lay_over(&mut fields, path, value);
    }
    Ok(fields)
}

#[test]
fn values_are_written_as_upstreams_flags_write_them() {
    let fields = said(&[
        ("anonymous-auth", "true"),
        ("cluster-dns", "10.0.0.10, 10.0.0.11"),
        (
            "eviction-hard",
            "memory.available<100Mi,nodefs.available<10%",
        ),
        ("feature-gates", "MemoryQoS=true"),
        ("feature-gates", "NodeSwap=false"),
        ("kube-reserved", "cpu=100m,memory=1Gi"),
        ("manifest-url-header", "a:1,b:2,a:3"),
        ("max-pods", "20"),
        ("register-with-taints", "k=v:NoSchedule,only:NoExecute"),
        (
            "reserved-memory",
            "0:memory=1Gi,hugepages-1Gi=2;1:memory=2Gi",
        ),
    ]);
    let expected = json!({
        "authentication": { "anonymous": { "enabled": true } },
        "clusterDNS": ["10.0.0.10", "10.0.0.11"],
        "evictionHard": { "memory.available": "100Mi", "nodefs.available": "10%" },
        "featureGates": { "MemoryQoS": true, "NodeSwap": false },
        "kubeReserved": { "cpu": "100m", "memory": "1Gi" },
        "maxPods": 20,
        "registerWithTaints": [
            { "key": "k", "value": "v", "effect": "NoSchedule" },
            { "key": "only", "value": "", "effect": "NoExecute" },
        ],
        "reservedMemory": [
            { "numaNode": 0, "limits": { "memory": "1Gi", "hugepages-1Gi": "2" } },
            { "numaNode": 1, "limits": { "memory": "2Gi" } },
        ],
        "staticPodURLHeader": { "a": ["1", "3"], "b": ["2"] },
    });
    assert_eq!(Value::Object(fields.unwrap()), expected);
}

#[test]
fn every_flag_that_cannot_be_read_is_named() {
    let problems = said(&[
        ("max-pods", "many"),
        ("eviction-hard", "memory.available"),
        ("enable-server", "perhaps"),
    ]);
    let told: Vec<_> = problems
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        [
            "--max-pods: \"many\" is not a number",
            "--eviction-hard: malformed pair \"memory.available\", expect a key, '<' and a value",
            "--enable-server: \"perhaps\" is neither true nor false",
        ]
    );
}

#[test]
fn each_flag_is_in_the_table_once() {
    let mut names: Vec<_> = all().map(|flag| flag.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
