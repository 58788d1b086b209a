//! When was each image seen first, and when used last? Pure.
#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::cri::Image;

/// When each image was seen first, and used last, by its id.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    records: BTreeMap<String, Record>,
}

#[derive(Clone, Debug)]
struct Record {
    seen_first: Timestamp,
    used_last: Option<Timestamp>,
    bytes: u64,
    stays: bool,
}

/// An image that nobody uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unused {
    pub(super) id: String,
    pub(super) seen_first: Timestamp,
    /// Nothing if nobody has used it since the kubelet was started.
    pub(super) used_last: Option<Timestamp>,
    pub(super) bytes: u64,
}

impl Ledger {
    /// Takes down what is there, and what of it is in use, by any of its names.
    pub(super) fn note(&mut self, images: &[Image], in_use: &BTreeSet<String>, now: Timestamp) {
        let is_there: BTreeSet<&str> = images.iter().map(|image| image.id.as_str()).collect();
        self.records.retain(|id, _| is_there.contains(id.as_str()));
        for image in images {
            let is_used = is_among(image, in_use);
            let record = self.records.entry(image.id.clone()).or_insert(Record {
                seen_first: now,
                used_last: None,
                bytes: 0,
                stays: false,
            });
            record.bytes = image.size;
            record.stays = is_used || image.is_pinned;
            if is_used {
                record.used_last = Some(now);
            }
        }
    }

    /// An image was removed.
    pub(super) fn strike(&mut self, id: &str) {
        self.records.remove(id);
    }

    /// What nobody uses or has pinned; what was used longest ago first, then what was seen first.
    pub(super) fn unused(&self) -> Vec<Unused> {
        let unused = self.records.iter().filter(|(_, record)| !record.stays);
        let mut unused: Vec<_> = unused
            .map(|(id, record)| Unused {
                id: id.clone(),
                seen_first: record.seen_first,
                used_last: record.used_last,
                bytes: record.bytes,
            })
            .collect();
        unused.sort_by_key(|image| (image.used_last, image.seen_first));
        unused
    }
}

fn is_among(image: &Image, names: &BTreeSet<String>) -> bool {
    let mut all = std::iter::once(&image.id)
        .chain(&image.tags)
        .chain(&image.digests);
    all.any(|name| names.contains(name))
}
