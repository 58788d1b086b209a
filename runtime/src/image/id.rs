//! The ids of images and of unpacked layers.
#![deny(clippy::disallowed_methods)]

use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::Digest;

/// The id of an image: the digest of its configuration, as docker and every CRI runtime have it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Debug)]
#[serde(transparent)]
pub struct ImageId(pub Digest);

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of a layer on top of the layers below it, as the OCI image specification computes it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Debug)]
#[serde(transparent)]
pub struct ChainId(pub Digest);

impl ChainId {
    /// The chain ids of a stack of layers, from their diff ids bottom first.
    pub fn of_stack(diff_ids: &[Digest]) -> Vec<ChainId> {
        let mut chain: Vec<ChainId> = Vec::with_capacity(diff_ids.len());
        for diff_id in diff_ids {
            let id = match chain.last() {
                None => diff_id.clone(),
                Some(below) => Digest::of(format!("{} {diff_id}", below.0).as_bytes()),
            };
            chain.push(ChainId(id));
        }
        chain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_layer_on_another_base_has_another_chain_id() {
        let (a, b, c) = (Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"c"));
        let over_a = ChainId::of_stack(&[a.clone(), c.clone()]);
        let over_b = ChainId::of_stack(&[b, c.clone()]);
        assert_eq!(over_a[0], ChainId(a.clone()));
        assert_eq!(
            over_a[1],
            ChainId(Digest::of(format!("{a} {c}").as_bytes()))
        );
        assert_ne!(over_a[1], over_b[1]);
    }
}
