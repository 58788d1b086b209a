//! Frames to bytes.

use bytes::{BufMut, BytesMut};

use super::headers::DeflatedHeaders;
use super::{Frame, VERSION, kind};

/// The setting that holds the initial window.
pub(super) const INITIAL_WINDOW_SETTING: u32 = 7;

/// Appends `frame` to `out`. `headers` belongs to the connection: header blocks are one zlib stream.
pub fn encode(frame: &Frame, headers: &mut DeflatedHeaders, out: &mut BytesMut) {
    match frame {
        Frame::SynStream {
            id,
            headers: block,
            rest,
        } => {
            let mut payload = BytesMut::new();
            payload.put_u32(*id);
            payload.put_u32(0); // No associated stream.
            payload.put_u16(0); // Highest priority, no credential slot.
            headers.append(block, &mut payload);
            control(kind::SYN_STREAM, rest.flags(), &payload, out);
        }
        Frame::SynReply { id } => {
            let mut payload = BytesMut::new();
            payload.put_u32(*id);
            headers.append(&super::Headers::default(), &mut payload);
            control(kind::SYN_REPLY, 0, &payload, out);
        }
        Frame::Headers { id, rest } => {
            let mut payload = BytesMut::new();
            payload.put_u32(*id);
            headers.append(&super::Headers::default(), &mut payload);
            control(kind::HEADERS, rest.flags(), &payload, out);
        }
        Frame::RstStream { id, status } => words(kind::RST_STREAM, &[*id, *status], out),
        Frame::Settings { initial_window } => match initial_window {
            Some(window) => words(kind::SETTINGS, &[1, INITIAL_WINDOW_SETTING, *window], out),
            None => words(kind::SETTINGS, &[0], out),
        },
        Frame::Ping { id } => words(kind::PING, &[*id], out),
        Frame::GoAway { last } => words(kind::GOAWAY, &[*last, 0], out),
        Frame::WindowUpdate { id, delta } => words(kind::WINDOW_UPDATE, &[*id, *delta], out),
        Frame::Data { id, bytes, rest } => {
            out.put_u32(*id);
            out.put_u32(flags_and_length(rest.flags(), bytes.len()));
            out.put_slice(bytes);
        }
    }
}

fn words(kind: u16, words: &[u32], out: &mut BytesMut) {
    let mut payload = BytesMut::with_capacity(words.len() * 4);
    words.iter().for_each(|word| payload.put_u32(*word));
    control(kind, 0, &payload, out);
}

fn control(kind: u16, flags: u8, payload: &[u8], out: &mut BytesMut) {
    out.put_u16(VERSION | 0x8000);
    out.put_u16(kind);
    out.put_u32(flags_and_length(flags, payload.len()));
    out.put_slice(payload);
}

fn flags_and_length(flags: u8, length: usize) -> u32 {
    let length = u32::try_from(length)
        .ok()
        .filter(|length| *length < 1 << 24);
    u32::from(flags) << 24 | length.expect("nothing of ours is sent in frames near 16 MiB")
}
