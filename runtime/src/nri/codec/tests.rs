//! Bytes as a plugin sends and gets them.

use proptest::prelude::*;

use super::*;

fn message(stream: u32, kind: Kind, data: &[u8]) -> Message {
    Message {
        stream,
        kind,
        data: Bytes::copy_from_slice(data),
    }
}

fn kind_of(number: u8) -> Kind {
    match number {
        1 => Kind::Request,
        2 => Kind::Response,
        other => Kind::Other(other),
    }
}

fn decode(pieces: &[&[u8]]) -> Result<Vec<Received>, CodecError> {
    let mut decoder = Decoder::default();
    let mut all = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        while let Some(message) = decoder.next()? {
            all.push(message);
        }
    }
    Ok(all)
}

#[test]
fn a_request_is_these_bytes() {
    let bytes = encode(PLUGIN, &message(3, Kind::Request, b"hi"));
    let expected = [
        &[0, 0, 0, 1, 0, 0, 0, 12][..],
        &[0, 0, 0, 2, 0, 0, 0, 3, 1, 0],
        b"hi",
    ];
    assert_eq!(bytes, expected.concat());
}

#[test]
fn a_long_message_is_two_frames_of_which_the_first_fits_a_small_buffer() {
    let data = vec![7; 10_000];
    let bytes = encode(RUNTIME, &message(1, Kind::Response, &data));
    assert_eq!(bytes[..8], [0, 0, 0, 2, 0, 0, 0x10, 0]);
    let second = 8 + 4096;
    let rest = u32::try_from(10_010 - 4096).unwrap().to_be_bytes();
    assert_eq!(
        bytes[second..second + 8],
        [&[0, 0, 0, 2][..], &rest].concat()
    );
    assert_eq!(bytes.len(), 10_010 + 2 * 8);
}

#[test]
fn connections_do_not_mix_and_unknown_ones_are_passed_over() {
    let one = encode(PLUGIN, &message(1, Kind::Response, b"one"));
    let two = encode(RUNTIME, &message(1, Kind::Request, b"two"));
    let other = encode(9, &message(1, Kind::Request, b"nobody"));
    // The first connection's message comes in two frames, with another's between them.
    let mut frames = Vec::new();
    let mut begun = BytesMut::new();
    mux::encode(PLUGIN, &one[8..15], &mut begun);
    frames.extend_from_slice(&begun);
    frames.extend_from_slice(&other);
    frames.extend_from_slice(&two);
    let mut ended = BytesMut::new();
    mux::encode(PLUGIN, &one[15..], &mut ended);
    frames.extend_from_slice(&ended);
    let got = decode(&[&frames]).unwrap();
    let said: Vec<_> = got
        .iter()
        .map(|got| (got.connection, &got.message.data[..]))
        .collect();
    assert_eq!(said, [(RUNTIME, &b"two"[..]), (PLUGIN, &b"one"[..])]);
}

#[test]
fn what_is_too_long_is_refused_before_it_is_there() {
    let frame = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(decode(&[&frame]), Err(CodecError::Frame(u32::MAX)));
    let message = [0, 0, 0, 1, 0, 0, 0, 10, 0, 0x40, 0, 1, 0, 0, 0, 1, 1, 0];
    assert_eq!(decode(&[&message]), Err(CodecError::Message((4 << 20) + 1)));
}

#[test]
fn text_is_no_frame() {
    let error = decode(&[b"GET / HTTP/1.1\r\n\r\n"]).unwrap_err();
    assert!(matches!(error, CodecError::Frame(_)), "{error}");
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_however_it_is_cut(
        sent in proptest::collection::vec(
            (1_u32..=2, any::<u32>(), 1_u8..=3, proptest::collection::vec(any::<u8>(), 0..9000)),
            0..6,
        ),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let sent: Vec<Received> = sent
            .into_iter()
            .map(|(connection, stream, kind, data)| received(connection, message(stream, kind_of(kind), &data)))
            .collect();
        let bytes: Vec<u8> = sent.iter().flat_map(|one| encode(one.connection, &one.message)).collect();
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(decode(&pieces).unwrap(), sent);
    }

    #[test]
    fn no_bytes_make_it_panic(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..8)) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let _ = decode(&pieces);
    }
}
