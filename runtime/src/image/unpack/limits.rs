//! What a layer may cost before it is taken for a bomb.
#![deny(clippy::disallowed_methods)]

/// Upper bounds for one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of the uncompressed archive.
    pub bytes: u64,
    /// Bytes of one path or link target.
    pub path: usize,
    /// Bytes of the extended headers of one entry.
    pub header: usize,
    /// Bytes of all directory names, which are remembered until the end.
    pub directories: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 2_000_000,
            bytes: 256 << 30,
            path: 4096,
            header: 1 << 20,
            directories: 64 << 20,
        }
    }
}
