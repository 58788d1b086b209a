//! Hashes that outlive the kubelet: the UID of a static pod, and what makes a container another one.
//!
//! What is hashed is a contract with the containers that run already: a change of it restarts them.
#![deny(clippy::disallowed_methods)]

use k8s_openapi::api::core::v1 as core;

use crate::model::{ContainerHash, PodUid};

/// The UID of a static pod: what its defaulted manifest says, on which node, from which file.
pub fn static_uid(pod: &core::Pod, node: &str, file: &str) -> PodUid {
    // Struct fields have an order of their own and maps are sorted: one pod has one text.
    let text = serde_json::to_vec(pod).expect("a decoded pod can be written again");
    let mut hash = Fnv128a::default();
    hash.write(&text);
    hash.write(b"host:");
    hash.write(node.as_bytes());
    hash.write(b"file:");
    hash.write(file.as_bytes());
    format!("{:032x}", hash.0).into()
}

/// The hash of what cannot change without another container: its name and its image.
pub fn container_hash(name: &str, image: &str) -> ContainerHash {
    let text = serde_json::json!({ "image": image, "name": name }).to_string();
    // Other kubelets hash the text's bytes as Go prints a slice of them.
    let printed: Vec<_> = text.bytes().map(|byte| byte.to_string()).collect();
    ContainerHash(fnv32a(
        format!("([]uint8)[{}]", printed.join(" ")).as_bytes(),
    ))
}

fn fnv32a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// FNV-1a with 128 bits.
struct Fnv128a(u128);

impl Default for Fnv128a {
    fn default() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Fnv128a {
    fn write(&mut self, bytes: &[u8]) {
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(PRIME);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_are_fnv_1a() {
        let mut hash = Fnv128a::default();
        hash.write(b"foobar");
        assert_eq!(hash.0, 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
        assert_eq!(fnv32a(b"foobar"), 0xbf9c_f968);
    }

    #[test]
    fn a_container_is_another_one_when_its_name_or_image_changes() {
        let hash = container_hash("web", "nginx:1");
        assert_eq!(hash, container_hash("web", "nginx:1"));
        assert_ne!(hash, container_hash("web", "nginx:2"));
        assert_ne!(hash, container_hash("log", "nginx:1"));
    }

    #[test]
    fn a_container_has_the_hash_that_other_kubelets_give_it() {
        // Computed with Go: fnv32a over the printed JSON of name and image.
        assert_eq!(container_hash("web", "nginx:1").to_string(), "855627a5");
    }

    #[test]
    fn a_static_uid_depends_on_the_pod_the_node_and_the_file() {
        let pod = core::Pod::default();
        let uid = static_uid(&pod, "node", "/m/a.yaml");
        assert_eq!(uid.as_str().len(), 32);
        assert_eq!(uid, static_uid(&pod, "node", "/m/a.yaml"));
        assert_ne!(uid, static_uid(&pod, "other", "/m/a.yaml"));
        assert_ne!(uid, static_uid(&pod, "node", "/m/b.yaml"));
        let mut named = pod;
        named.metadata.name = Some("web".to_owned());
        assert_ne!(uid, static_uid(&named, "node", "/m/a.yaml"));
    }
}
