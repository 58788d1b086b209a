//! The codec against bytes written down by hand, and noise.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;

fn decode(bytes: &[u8], size: usize) -> (Vec<Received>, Option<DecodeError>) {
    let mut decoder = Decoder::new();
    let mut all = Vec::new();
    for piece in bytes.chunks(size.max(1)) {
        decoder.buffer().extend_from_slice(piece);
        loop {
            match decoder.pull() {
                Ok(Some(received)) => all.push(received),
                Ok(None) => break,
                Err(error) => return (all, Some(error)),
            }
        }
    }
    (all, None)
}

/// A masked frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | short as u8),
        medium => {
            frame.push(0x80 | 126);
            frame.extend((medium as u16).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

fn first(bytes: &'static [u8]) -> Received {
    Received::Data {
        place: Place::First,
        bytes: Bytes::from_static(bytes),
    }
}

fn later(bytes: &'static [u8]) -> Received {
    Received::Data {
        place: Place::Later,
        bytes: Bytes::from_static(bytes),
    }
}

#[test]
fn the_examples_of_the_rfc_are_understood() {
    let hello = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    assert_eq!(decode(&hello, 99), (vec![first(b"Hello")], None));
    let ping = [
        0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    let expected = Received::Ping(Bytes::from_static(b"Hello"));
    assert_eq!(decode(&ping, 1), (vec![expected], None));
}

#[test]
fn fragments_with_a_ping_between_are_one_message() {
    let bytes = [
        frame(0x02, b"ab"),
        frame(0x89, b""),
        frame(0x80, b"cd"),
        frame(0x82, b"e"),
    ];
    let (all, error) = decode(&bytes.concat(), 999);
    assert_eq!(error, None);
    let ping = Received::Ping(Bytes::new());
    assert_eq!(all, [first(b"ab"), ping, later(b"cd"), first(b"e")]);
}

#[test]
fn what_a_client_may_not_send_is_an_error() {
    let error = |bytes: &[u8]| decode(bytes, 999).1.expect("an error");
    assert_eq!(error(&[0x82, 0x01, b'x']), DecodeError::Unmasked);
    assert_eq!(error(&frame(0xc2, b"x")), DecodeError::Reserved);
    assert_eq!(error(&frame(0x83, b"x")), DecodeError::Opcode(3));
    assert_eq!(error(&frame(0x8b, b"x")), DecodeError::Opcode(11));
    assert_eq!(error(&frame(0x09, b"x")), DecodeError::Control);
    assert_eq!(error(&frame(0x89, &[0; 126])), DecodeError::Control);
    assert_eq!(error(&frame(0x80, b"x")), DecodeError::Fragment);
    let two = [frame(0x02, b"x"), frame(0x82, b"y")].concat();
    assert_eq!(error(&two), DecodeError::Fragment);
    let endless = [&[0x82, 0xff][..], &[0xff; 8], &[0; 4]].concat();
    assert_eq!(error(&endless), DecodeError::Length);
}

#[test]
fn messages_of_every_length_have_the_right_head() {
    let head = |length: usize| {
        let mut out = BytesMut::new();
        put_message(&[1], &vec![0; length - 1], &mut out);
        assert_eq!(
            out.len() - length,
            if length < 126 {
                2
            } else if length < 65536 {
                4
            } else {
                10
            }
        );
        out[..4].to_vec()
    };
    assert_eq!(head(125)[..2], [0x82, 125]);
    assert_eq!(head(126), [0x82, 126, 0, 126]);
    assert_eq!(head(65535), [0x82, 126, 0xff, 0xff]);
    assert_eq!(head(65536), [0x82, 127, 0, 0]);
}

proptest! {
    #[test]
    fn noise_is_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1usize..40) {
        decode(&bytes, size);
    }

    #[test]
    fn a_message_arrives_whole_however_it_is_cut(
        payload in prop::collection::vec(any::<u8>(), 0..1000),
        size in 1usize..100,
    ) {
        let (all, error) = decode(&frame(0x82, &payload), size);
        prop_assert_eq!(error, None);
        let received: Vec<u8> = all.iter().flat_map(|received| match received {
            Received::Data { bytes, .. } => bytes.to_vec(),
            other => panic!("{other:?}"),
        }).collect();
        prop_assert_eq!(received, payload);
    }
}
