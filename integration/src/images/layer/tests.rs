//! What a layer's archive looks like to somebody who reads it.

use super::*;

fn read(layer: &Layer) -> Vec<(String, EntryType, u64)> {
    let bytes = layer.tar(7);
    let mut archive = tar::Archive::new(bytes.as_slice());
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            (path, header.entry_type(), header.mtime().unwrap())
        })
        .collect()
}

#[test]
fn entries_are_sorted_and_share_one_time() {
    let layer = Layer::of([
        Entry::file("b/c", "x"),
        Entry::symlink("a", "b"),
        Entry::directory("b"),
    ]);
    assert_eq!(
        read(&layer),
        [
            ("a".to_owned(), EntryType::Symlink, 7),
            ("b".to_owned(), EntryType::Directory, 7),
            ("b/c".to_owned(), EntryType::Regular, 7),
        ]
    );
}

#[test]
fn missing_parents_are_added_once() {
    let private = Entry::directory("a").mode(0o700);
    let layer = Layer::of([private, Entry::file("a/b/c", ""), Entry::file("a/b/d", "")]);
    let paths: Vec<String> = read(&layer.with_parents())
        .into_iter()
        .map(|(path, ..)| path)
        .collect();
    assert_eq!(paths, ["a", "a/b", "a/b/c", "a/b/d"]);
}

#[test]
fn hostile_paths_and_orders_are_written_as_given() {
    let layer = Layer::of([
        Entry::file("x", ""),
        Entry::symlink("x", "/"),
        Entry::file("../y", ""),
    ]);
    let paths: Vec<String> = read(&layer.in_given_order())
        .into_iter()
        .map(|(path, ..)| path)
        .collect();
    assert_eq!(paths, ["x", "x", "../y"]);
}

#[test]
fn long_names_and_attributes_survive() {
    let (path, target) = ("p/".repeat(90) + "q", "t".repeat(300));
    let layer = Layer::of([
        Entry::symlink(path.as_str(), target.as_str()),
        Entry::file("z", "").xattr("user.note", *b"a\0b"),
    ]);
    let bytes = layer.tar(0);
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut entries = archive.entries().unwrap();

    let link = entries.next().unwrap().unwrap();
    assert_eq!(link.path_bytes(), path.as_bytes());
    assert_eq!(link.link_name_bytes().unwrap(), target.as_bytes());

    let mut file = entries.next().unwrap().unwrap();
    let mut records = file.pax_extensions().unwrap().unwrap();
    let record = records.next().unwrap().unwrap();
    assert_eq!(record.key().unwrap(), "SCHILY.xattr.user.note");
    assert_eq!(record.value_bytes(), b"a\0b");
}

#[test]
fn a_record_counts_its_own_length() {
    for length in [1, 80, 86, 87, 88, 90, 980, 990, 1000] {
        let record = record("path", "x".repeat(length).as_bytes());
        let text = String::from_utf8(record).unwrap();
        let (digits, _) = text.split_once(' ').unwrap();
        assert_eq!(digits.parse(), Ok(text.len()));
    }
}

#[test]
fn compression_is_undone_by_its_own_reader() {
    let bytes = b"layer".repeat(1000);
    let mut unpacked = Vec::new();
    let gzip = compress(&bytes, Compression::Gzip);
    std::io::Read::read_to_end(
        &mut flate2::read::GzDecoder::new(gzip.as_slice()),
        &mut unpacked,
    )
    .unwrap();
    assert_eq!(unpacked, bytes);
    let zstd = compress(&bytes, Compression::Zstd);
    assert_eq!(zstd::decode_all(zstd.as_slice()).unwrap(), bytes);
}
