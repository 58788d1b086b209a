//! A layer: entries, and the tar archive that they make.
//!
//! Entries are sorted by path, owners are numbers without names and all times are the image's one
//! time, so the bytes depend on nothing but the entries.

use std::collections::BTreeSet;
use std::io::Write;

use flate2::{Compression as GzipLevel, GzBuilder};
use tar::{EntryType, Header};

use super::entry::{Device, Entry, Kind};

/// ustar's room for a path or a link's target.
const NAME_LENGTH: usize = 100;

/// Zstandard's default level: the tests want both formats, not the smallest file.
const ZSTD_LEVEL: i32 = 3;

/// How a layer's archive is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    None,
    /// gzip, which every registry and runtime knows.
    #[default]
    Gzip,
    /// Zstandard.
    Zstd,
}

/// A layer of an image.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    entries: Vec<Entry>,
    order: Order,
    compression: Compression,
}

#[derive(Clone, Copy, Debug, Default)]
enum Order {
    #[default]
    ByPath,
    AsGiven,
}

impl Layer {
    /// A layer of these entries.
    pub fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        Self {
            entries: entries.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Keeps the entries in the order given, for layers that no sane builder would write.
    #[must_use]
    pub fn in_given_order(mut self) -> Self {
        self.order = Order::AsGiven;
        self
    }

    /// Adds the directories above the entries, of mode 0755, where no entry makes them.
    #[must_use]
    pub fn with_parents(mut self) -> Self {
        let made: BTreeSet<String> = self
            .entries
            .iter()
            .map(|entry| entry.path.clone())
            .collect();
        let mut parents = BTreeSet::new();
        for path in &made {
            let ends = path.match_indices('/').map(|(end, _)| &path[..end]);
            parents.extend(
                ends.filter(|parent| !made.contains(*parent))
                    .map(str::to_owned),
            );
        }
        self.entries
            .extend(parents.into_iter().map(Entry::directory));
        self
    }

    /// Chooses how the archive is stored.
    #[must_use]
    pub fn compressed(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// How the archive is stored.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The entries as a tar archive; `time` is every entry's modification time, in Unix seconds.
    pub fn tar(&self, time: u64) -> Vec<u8> {
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        if matches!(self.order, Order::ByPath) {
            entries.sort_by(|left, right| left.path.cmp(&right.path));
        }
        let mut archive = tar::Builder::new(Vec::new());
        for entry in entries {
            append(&mut archive, entry, time);
        }
        archive.into_inner().expect("memory takes every byte")
    }
}

/// Compresses `bytes`; without a name or time inside.
pub fn compress(bytes: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => bytes.to_vec(),
        Compression::Gzip => {
            let mut stream = GzBuilder::new()
                .mtime(0)
                .write(Vec::new(), GzipLevel::default());
            stream.write_all(bytes).expect("memory takes every byte");
            stream.finish().expect("memory takes every byte")
        }
        Compression::Zstd => zstd::encode_all(bytes, ZSTD_LEVEL).expect("memory takes every byte"),
    }
}

fn append(archive: &mut tar::Builder<Vec<u8>>, entry: &Entry, time: u64) {
    let records = extended_records(entry);
    if !records.is_empty() {
        let mut header = header(EntryType::XHeader, 0o644, time);
        put(
            &mut header.as_ustar_mut().expect("made as ustar").name,
            b"pax",
        );
        write(archive, header, &records);
    }
    let mut header = header(entry_type(&entry.kind), entry.mode, time);
    header.set_uid(entry.uid.into());
    header.set_gid(entry.gid.into());
    let ustar = header.as_ustar_mut().expect("made as ustar");
    put(&mut ustar.name, entry.path.as_bytes());
    put(&mut ustar.linkname, link_target(&entry.kind).as_bytes());
    if let Kind::Character(device) | Kind::Block(device) = entry.kind {
        set_device(ustar, device);
    }
    let contents: &[u8] = match &entry.kind {
        Kind::File(contents) => contents,
        _ => &[],
    };
    write(archive, header, contents);
}

fn write(archive: &mut tar::Builder<Vec<u8>>, mut header: Header, contents: &[u8]) {
    header.set_size(contents.len() as u64);
    header.set_cksum();
    archive
        .append(&header, contents)
        .expect("memory takes every byte");
}

fn header(kind: EntryType, mode: u32, time: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(time);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn entry_type(kind: &Kind) -> EntryType {
    match kind {
        Kind::File(_) => EntryType::Regular,
        Kind::Directory => EntryType::Directory,
        Kind::Symlink(_) => EntryType::Symlink,
        Kind::Hardlink(_) => EntryType::Link,
        Kind::Character(_) => EntryType::Char,
        Kind::Block(_) => EntryType::Block,
        Kind::Fifo => EntryType::Fifo,
    }
}

fn link_target(kind: &Kind) -> &str {
    match kind {
        Kind::Symlink(target) | Kind::Hardlink(target) => target,
        _ => "",
    }
}

fn set_device(header: &mut tar::UstarHeader, device: Device) {
    header.set_device_major(device.major);
    header.set_device_minor(device.minor);
}

/// Copies what fits; the rest of a long name stands in the extended records.
fn put(field: &mut [u8; NAME_LENGTH], value: &[u8]) {
    let length = value.len().min(NAME_LENGTH);
    field[..length].copy_from_slice(&value[..length]);
}

/// What ustar has no room for, as pax records.
fn extended_records(entry: &Entry) -> Vec<u8> {
    let mut records = Vec::new();
    for (key, value) in [
        ("path", entry.path.as_str()),
        ("linkpath", link_target(&entry.kind)),
    ] {
        if value.len() > NAME_LENGTH {
            records.extend(record(key, value.as_bytes()));
        }
    }
    for (name, value) in &entry.xattrs {
        records.extend(record(&format!("SCHILY.xattr.{name}"), value));
    }
    records
}

/// `LENGTH KEY=VALUE\n`, where LENGTH counts its own digits too.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + " =\n".len();
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut record = format!("{length} {key}=").into_bytes();
    record.extend(value);
    record.push(b'\n');
    record
}

#[cfg(test)]
mod tests;
