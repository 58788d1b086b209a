//! What the kernel sends back: acknowledgements, refusals, messages, the end of a dump.
#![deny(clippy::disallowed_methods)]

use netlink_packet_core::{NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NlasIterator};

const HEADER: usize = 16;
/// An error number, then the header of the refused request.
const REFUSAL: usize = 4 + HEADER;
/// Attribute of a refusal: a text for people.
const HINT: u16 = 1;

/// One message from the kernel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Acknowledged, or the end of a dump.
    Done(u32),
    /// Refused.
    Refused(Refusal),
    /// Part of an answer to a question.
    Message { sequence: u32, body: Vec<u8> },
}

/// A refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Of which request.
    pub(super) sequence: u32,
    /// Positive error number.
    pub(super) errno: i32,
    /// The kernel's words; may be empty.
    pub(super) hint: String,
}

/// The messages in `buffer`; what is cut off at the end is left out.
pub(super) fn parse(mut buffer: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Ok(message) = NetlinkBuffer::new_checked(buffer) {
        let length = message.length() as usize;
        answers.push(answer(&message));
        buffer = buffer.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    answers
}

fn answer(message: &NetlinkBuffer<&[u8]>) -> Answer {
    let sequence = message.sequence_number();
    let payload = message.payload();
    if !matches!(message.message_type(), NLMSG_ERROR | NLMSG_DONE) {
        return Answer::Message {
            sequence,
            body: payload.to_vec(),
        };
    }
    match error_number(payload) {
        0 => Answer::Done(sequence),
        errno => Answer::Refused(Refusal {
            sequence,
            errno: -errno,
            hint: hint(payload.get(REFUSAL..).unwrap_or_default()),
        }),
    }
}

/// Negative as the kernel sends it; the end of a dump may come without one.
fn error_number(payload: &[u8]) -> i32 {
    let bytes = payload.first_chunk::<4>();
    bytes.map_or(0, |bytes| i32::from_ne_bytes(*bytes).min(0))
}

fn hint(attributes: &[u8]) -> String {
    let text = NlasIterator::new(attributes)
        .map_while(Result::ok)
        .find(|attribute| attribute.kind() == HINT);
    text.map_or_else(String::new, |attribute| {
        let text = String::from_utf8_lossy(attribute.value()).into_owned();
        text.trim_end_matches('\0').to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + payload.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0, 0]);
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn refusal(errno: i32, attributes: &[u8]) -> Vec<u8> {
        let mut payload = (-errno).to_ne_bytes().to_vec();
        payload.extend([0; HEADER]);
        payload.extend(attributes);
        payload
    }

    #[test]
    fn acknowledgements_messages_and_the_end_of_a_dump_are_told_apart() {
        let mut bytes = message(NLMSG_ERROR, 1, &refusal(0, &[]));
        bytes.extend(message(16, 2, b"body!"));
        bytes.extend(message(NLMSG_DONE, 2, &[0; 4]));
        let expected = [
            Answer::Done(1),
            Answer::Message {
                sequence: 2,
                body: b"body!".to_vec(),
            },
            Answer::Done(2),
        ];
        assert_eq!(parse(&bytes), expected);
    }

    #[test]
    fn a_refusal_carries_the_kernels_words() {
        let attribute = [&[8, 0, 1, 0][..], b"no!\0"].concat();
        let bytes = message(NLMSG_ERROR, 7, &refusal(libc::EINVAL, &attribute));
        let expected = Answer::Refused(Refusal {
            sequence: 7,
            errno: libc::EINVAL,
            hint: "no!".to_owned(),
        });
        assert_eq!(parse(&bytes), [expected]);
    }

    #[test]
    fn garbage_is_no_answer() {
        assert_eq!(parse(&[]), []);
        assert_eq!(parse(&[1, 2, 3]), []);
        assert_eq!(parse(&[0; 64]), []);
        assert_eq!(parse(&[0xff; 64]), []);
    }
}
