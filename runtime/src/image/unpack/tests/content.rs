//! The checks of the bytes themselves, in every compression.

use std::io::Write;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn blob(bytes: &[u8], diff_id: Digest) -> Expected {
    Expected {
        blob: Some((Digest::of(bytes), bytes.len() as u64)),
        diff_id,
    }
}

#[test]
fn every_compression_gives_the_same_tree() {
    let archive = Layer::new().file("a", "content").done();
    let zstd = zstd::encode_all(&archive[..], 3).unwrap();
    // Several members in a row are one gzip stream: parallel compressors write them.
    let (head, tail) = archive.split_at(700);
    let members = [gzip(head), gzip(tail)].concat();
    for bytes in [archive.clone(), gzip(&archive), members, zstd] {
        let expected = blob(&bytes, Digest::of(&archive));
        let unpacked = unpack_expecting(&bytes, &expected, Limits::default()).expect();
        assert_eq!(unpacked.text("a"), "content");
    }
}

#[test]
fn another_blob_than_was_asked_for_is_named_with_both_digests() {
    let archive = Layer::new().file("a", "content").done();
    let wanted = gzip(&archive);
    for got in [
        gzip(&Layer::new().file("a", "Content").done()),
        vec![7; wanted.len()],
    ] {
        let mut expected = blob(&wanted, Digest::of(&archive));
        expected.blob.as_mut().unwrap().1 = got.len() as u64;
        let unpacked = unpack_expecting(&got, &expected, Limits::default());
        let message = unpacked.error().to_string();
        assert!(message.contains(Digest::of(&wanted).as_str()), "{message}");
        assert!(message.contains(Digest::of(&got).as_str()), "{message}");
    }
}

#[test]
fn a_right_blob_with_a_wrong_diff_id_is_refused() {
    let bytes = gzip(&Layer::new().file("a", "content").done());
    let expected = blob(&bytes, Digest::of(b"another archive"));
    let unpacked = unpack_expecting(&bytes, &expected, Limits::default());
    assert!(unpacked.error().to_string().contains("diff id"));
}

#[test]
fn a_blob_longer_or_shorter_than_its_manifest_says_is_refused() {
    let archive = Layer::new().file("a", "content").done();
    for change in [-1, 1] {
        let mut expected = blob(&archive, Digest::of(&archive));
        let (_, size) = expected.blob.as_mut().unwrap();
        *size = size.checked_add_signed(change).unwrap();
        let unpacked = unpack_expecting(&archive, &expected, Limits::default());
        assert!(
            matches!(unpacked.error(), UnpackError::SizeMismatch { .. }),
            "{change}"
        );
    }
}

#[test]
fn what_follows_the_end_of_the_archive_counts_for_the_digests() {
    let mut archive = Layer::new().file("a", "content").done();
    archive.extend_from_slice(&[0; 10240]);
    let bytes = gzip(&archive);
    let expected = blob(&bytes, Digest::of(&archive));
    unpack_expecting(&bytes, &expected, Limits::default()).expect();
}

#[test]
fn a_compressed_bomb_stops_at_the_limit() {
    let zeros = vec![0; 64 << 20];
    let bytes = gzip(&[Layer::new().done(), zeros].concat());
    let expected = blob(&bytes, Digest::of(b""));
    let limits = Limits {
        bytes: 1 << 20,
        ..Limits::default()
    };
    let unpacked = unpack_expecting(&bytes, &expected, limits);
    assert!(matches!(unpacked.error(), UnpackError::TooLarge { .. }));
}
