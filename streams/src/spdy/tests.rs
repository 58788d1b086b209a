//! The codec against bytes written down by hand, real zlib streams, and noise.

use bytes::BytesMut;
use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;

use super::decode::DecodeError;
use super::dictionary::{DICTIONARY_ID, dictionary};
use super::*;

/// Feeds `bytes` in pieces of `size`; the frames, and what went wrong.
fn decode(bytes: &[u8], size: usize) -> (Vec<Frame>, Option<DecodeError>) {
    let mut decoder = Decoder::new();
    let mut frames = Vec::new();
    for piece in bytes.chunks(size.max(1)) {
        decoder.buffer().extend_from_slice(piece);
        loop {
            match decoder.pull() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

fn whole(bytes: &[u8]) -> Vec<Frame> {
    match decode(bytes, bytes.len()) {
        (frames, None) => frames,
        (_, Some(error)) => panic!("{error}"),
    }
}

fn error(bytes: &[u8]) -> DecodeError {
    decode(bytes, bytes.len()).1.expect("an error")
}

/// One zlib stream with the dictionary, as Kubernetes' clients write it.
struct Zlib(Compress);

impl Zlib {
    fn new() -> Self {
        let mut compress = Compress::new(Compression::best(), true);
        compress
            .set_dictionary(&dictionary())
            .expect("a dictionary");
        Self(compress)
    }

    fn block(&mut self, block: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(block.len() + 1024);
        self.0
            .compress_vec(block, &mut out, FlushCompress::Sync)
            .expect("zlib");
        out
    }
}

fn header_block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = (headers.len() as u32).to_be_bytes().to_vec();
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        block.extend((text.len() as u32).to_be_bytes());
        block.extend(text.as_bytes());
    }
    block
}

fn syn_stream(id: u32, compressed: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80, 3, 0, 1, 0];
    frame.extend(&(compressed.len() as u32 + 10).to_be_bytes()[1..]);
    frame.extend(id.to_be_bytes());
    frame.extend([0; 6]);
    frame.extend(compressed);
    frame
}

#[test]
fn the_dictionary_is_the_one_of_the_specification() {
    let (mut a, mut b) = (1u32, 0u32);
    for byte in dictionary() {
        a = (a + u32::from(byte)) % 65521;
        b = (b + a) % 65521;
    }
    assert_eq!(b << 16 | a, DICTIONARY_ID);
}

#[test]
fn frames_are_the_bytes_of_the_specification() {
    let cases: [(&[u8], Frame); 6] = [
        (
            &[0x80, 3, 0, 3, 0, 0, 0, 8, 0, 0, 0, 5, 0, 0, 0, 5],
            Frame::RstStream { id: 5, status: 5 },
        ),
        (
            &[0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 9],
            Frame::Ping { id: 9 },
        ),
        (
            &[0x80, 3, 0, 7, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 0],
            Frame::GoAway { last: 3 },
        ),
        (
            &[0x80, 3, 0, 9, 0, 0, 0, 8, 0, 0, 0, 1, 0, 1, 0, 0],
            Frame::WindowUpdate {
                id: 1,
                delta: 65536,
            },
        ),
        (
            &[
                0x80, 3, 0, 4, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 4, 0,
            ],
            Frame::Settings {
                initial_window: Some(1024),
            },
        ),
        (
            &[0, 0, 0, 1, 1, 0, 0, 2, b'h', b'i'],
            Frame::Data {
                id: 1,
                bytes: Bytes::from_static(b"hi"),
                rest: Rest::Ended,
            },
        ),
    ];
    for (bytes, frame) in cases {
        assert_eq!(whole(bytes), std::slice::from_ref(&frame));
        let mut encoded = BytesMut::new();
        encode(&frame, &mut DeflatedHeaders::default(), &mut encoded);
        assert_eq!(encoded, bytes, "{frame:?}");
    }
}

#[test]
fn header_blocks_build_upon_each_other_however_they_are_cut() {
    let mut zlib = Zlib::new();
    let first = header_block(&[("streamtype", "stdin")]);
    let second = header_block(&[("streamtype", "stdout"), ("port", "80")]);
    let mut bytes = syn_stream(1, &zlib.block(&first));
    bytes.extend(syn_stream(3, &zlib.block(&second)));
    for size in [1, 2, 7, bytes.len()] {
        let (frames, error) = decode(&bytes, size);
        assert_eq!(error, None);
        let [
            Frame::SynStream { headers: a, .. },
            Frame::SynStream { headers: b, id, .. },
        ] = &frames[..]
        else {
            panic!("{frames:?}")
        };
        assert_eq!(a.get("streamtype"), Some("stdin"));
        assert_eq!(
            (b.get("streamtype"), b.get("port")),
            (Some("stdout"), Some("80"))
        );
        assert_eq!(*id, 3);
    }
}

#[test]
fn what_is_encoded_can_be_decoded() {
    let headers = Headers(vec![("streamtype".to_owned(), "error".to_owned())]);
    let frames = [1, 3].map(|id| Frame::SynStream {
        id,
        headers: headers.clone(),
        rest: Rest::Open,
    });
    let mut deflated = DeflatedHeaders::default();
    let mut bytes = BytesMut::new();
    for frame in &frames {
        encode(frame, &mut deflated, &mut bytes);
    }
    encode(&Frame::SynReply { id: 1 }, &mut deflated, &mut bytes);
    let decoded = whole(&bytes);
    assert_eq!(decoded[..2], frames);
    assert_eq!(decoded[2], Frame::SynReply { id: 1 });
}

#[test]
fn a_data_frame_is_handed_out_as_it_comes() {
    let mut decoder = Decoder::new();
    // 16 MiB less one are announced, and nothing is allocated for them.
    decoder
        .buffer()
        .extend_from_slice(&[0, 0, 0, 1, 1, 0xff, 0xff, 0xff, 1, 2, 3]);
    let first = decoder.pull().expect("a frame");
    assert_eq!(
        first,
        Some(Frame::Data {
            id: 1,
            bytes: Bytes::from_static(&[1, 2, 3]),
            rest: Rest::Open
        })
    );
    assert_eq!(decoder.pull(), Ok(None));
    assert!(decoder.buffer().is_empty());
}

#[test]
fn frames_of_unknown_types_are_skipped() {
    let mut bytes = vec![0x80, 3, 0, 0x0a, 0, 1, 0, 0];
    bytes.extend(vec![0xee; 0x1_0000]);
    bytes.extend([0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1]);
    assert_eq!(decode(&bytes, 999), (vec![Frame::Ping { id: 1 }], None));
}

#[test]
fn hostile_bytes_are_errors() {
    assert_eq!(error(&[0x80, 2, 0, 6, 0, 0, 0, 4]), DecodeError::Version(2));
    assert_eq!(
        error(&[0x80, 3, 0, 1, 0, 0x10, 0, 0]),
        DecodeError::TooLong(1 << 20)
    );
    assert_eq!(error(&[0, 0, 0, 0, 0, 0, 0, 1]), DecodeError::StreamZero);
    assert!(matches!(
        error(&[0x80, 3, 0, 9, 0, 0, 0, 4, 0, 0, 0, 1]),
        DecodeError::Length { kind: 9, length: 4 }
    ));
    assert!(matches!(
        error(&[0x80, 3, 0, 4, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]),
        DecodeError::Length { .. }
    ));
    assert_eq!(error(&syn_stream(1, b"not zlib")), DecodeError::Compression);
}

#[test]
fn a_header_block_that_swells_is_an_error() {
    let long = "x".repeat(1 << 20);
    let bomb = Zlib::new().block(&header_block(&[("a", &long)]));
    assert!(bomb.len() < CONTROL_LIMIT, "it fits into a frame");
    assert_eq!(error(&syn_stream(1, &bomb)), DecodeError::HeaderBlock);
    let mut count = u32::MAX.to_be_bytes().to_vec();
    count.extend([0; 64]);
    let many = Zlib::new().block(&count);
    assert_eq!(error(&syn_stream(1, &many)), DecodeError::HeaderBlock);
    let twice = Zlib::new().block(&header_block(&[("a", "1"), ("a", "2")]));
    assert_eq!(error(&syn_stream(1, &twice)), DecodeError::HeaderBlock);
}

proptest! {
    #[test]
    fn noise_is_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..512), size in 1usize..64) {
        decode(&bytes, size);
    }

    #[test]
    fn noise_behind_the_head_of_a_frame_is_never_a_panic(
        kind in 0u8..12,
        payload in prop::collection::vec(any::<u8>(), 0..256),
    ) {
        let mut bytes = vec![0x80, 3, 0, kind, 0, 0, 0, payload.len() as u8];
        bytes.extend(&payload);
        decode(&bytes, 5);
    }

    #[test]
    fn a_broken_zlib_stream_is_never_a_panic(at in 0usize..60, flip in 1u8..=255) {
        let mut block = Zlib::new().block(&header_block(&[("streamtype", "stdin"), ("port", "8")]));
        let at = at % block.len();
        block[at] ^= flip;
        decode(&syn_stream(1, &block), 3);
    }

    #[test]
    fn data_arrives_whole_however_it_is_cut(
        sent in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8),
        size in 1usize..100,
    ) {
        let mut bytes = BytesMut::new();
        for part in &sent {
            let bytes_of_part = Bytes::copy_from_slice(part);
            let frame = Frame::Data { id: 1, bytes: bytes_of_part, rest: Rest::Open };
            encode(&frame, &mut DeflatedHeaders::default(), &mut bytes);
        }
        let (frames, error) = decode(&bytes, size);
        prop_assert_eq!(error, None);
        let received: Vec<u8> = frames.iter().flat_map(|frame| match frame {
            Frame::Data { bytes, .. } => bytes.to_vec(),
            other => panic!("{other:?}"),
        }).collect();
        prop_assert_eq!(received, sent.concat());
    }
}
