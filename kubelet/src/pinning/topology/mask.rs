//! A set of nodes of memory: pure.

#![deny(clippy::disallowed_methods)]

use std::cmp::Ordering;
use std::fmt;

/// A set of nodes of memory, of those numbered below 64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeMask(u64);

impl NodeMask {
    /// How many there are.
    pub fn count(self) -> usize {
        usize::try_from(self.0.count_ones()).unwrap_or(64)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this one is among them.
    pub fn has(self, node: u32) -> bool {
        node < 64 && self.0 & (1 << node) != 0
    }

    /// Those that are in both.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Each of them, in order.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        (0..64).filter(move |node| self.has(*node))
    }

    /// Whether there are fewer of these, or as many with lower numbers.
    pub fn is_narrower(self, other: Self) -> bool {
        self.narrowness(other) == Ordering::Less
    }

    /// The narrower one first.
    pub(super) fn narrowness(self, other: Self) -> Ordering {
        (self.count(), self.0).cmp(&(other.count(), other.0))
    }

    /// Every set of some of these, the small ones first.
    pub fn subsets(nodes: &[u32]) -> Vec<Self> {
        let nodes: Vec<u32> = nodes.iter().copied().filter(|node| *node < 64).collect();
        let mut all = Vec::new();
        for size in 1..=nodes.len() {
            chosen(&nodes, size, Self(0), &mut all);
        }
        all
    }
}

impl FromIterator<u32> for NodeMask {
    fn from_iter<I: IntoIterator<Item = u32>>(nodes: I) -> Self {
        let nodes = nodes.into_iter().filter(|node| *node < 64);
        Self(nodes.fold(0, |mask, node| mask | 1 << node))
    }
}

impl fmt::Display for NodeMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<_> = self.iter().map(|node| node.to_string()).collect();
        f.write_str(&nodes.join(","))
    }
}

fn chosen(of: &[u32], size: usize, with: NodeMask, all: &mut Vec<NodeMask>) {
    if size == 0 {
        return all.push(with);
    }
    for (index, node) in of.iter().enumerate() {
        chosen(
            &of[index + 1..],
            size - 1,
            NodeMask(with.0 | 1 << node),
            all,
        );
    }
}
