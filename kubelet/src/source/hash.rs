//! Hashes that outlive the kubelet: of what makes a container another one, and of a static pod.
//!
//! What is hashed is a contract with the containers that run already: a change of it restarts them.
#![deny(clippy::disallowed_methods)]

use std::fmt;

use crate::model::ContainerHash;

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
pub(super) struct Fnv128a(u128);

impl Default for Fnv128a {
    fn default() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Fnv128a {
    pub(super) fn write(&mut self, bytes: &[u8]) {
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(PRIME);
        }
    }
}

impl fmt::Display for Fnv128a {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_are_fnv_1a() {
        let mut hash = Fnv128a::default();
        hash.write(b"foobar");
        assert_eq!(hash.to_string(), "343e1662793c64bf6f0d3597ba446f18");
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
}
