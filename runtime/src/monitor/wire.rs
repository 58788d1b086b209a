//! JSON bodies over SEQPACKET sockets.
//!
//! A body above [`INLINE`] bytes travels in a memfd, the last of the message's descriptors, and the
//! message itself is one mark: so a receive buffer has a fixed size and no request is too large for
//! a socket's send buffer.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, memfd_create};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sys::seqpacket;

/// Largest body that is sent in the message itself.
pub const INLINE: usize = 16 * 1024;

/// Largest body that is accepted at all.
const LARGEST: u64 = 32 * 1024 * 1024;

/// Stands for a body that is in the message's last descriptor.
const IN_MEMFD: &[u8] = b"@";

/// A message: its meaning and its descriptors.
#[derive(Debug)]
pub struct Message<T> {
    /// The body, decoded.
    pub body: T,
    /// The descriptors beside it.
    pub fds: Vec<OwnedFd>,
}

/// Sends `body` and `fds`.
pub fn send<T: Serialize>(
    socket: BorrowedFd<'_>,
    body: &T,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = serde_json::to_vec(body)?;
    if bytes.len() <= INLINE {
        return seqpacket::send(socket, &bytes, fds);
    }
    let mut memfd = File::from(memfd_create("podling-message", MemfdFlags::CLOEXEC)?);
    memfd.write_all(&bytes)?;
    memfd.rewind()?;
    let mut all = fds.to_vec();
    all.push(memfd.as_fd());
    seqpacket::send(socket, IN_MEMFD, &all)
}

/// Receives a message; `None` when the peer has closed.
pub fn receive<T: DeserializeOwned>(socket: BorrowedFd<'_>) -> io::Result<Option<Message<T>>> {
    let mut buffer = vec![0; INLINE];
    let seqpacket::Received { len, mut fds } = seqpacket::receive(socket, &mut buffer)?;
    if len == 0 {
        return Ok(None);
    }
    buffer.truncate(len);
    if buffer == IN_MEMFD {
        buffer = read_memfd(fds.pop())?;
    }
    Ok(Some(Message {
        body: serde_json::from_slice(&buffer)?,
        fds,
    }))
}

fn read_memfd(fd: Option<OwnedFd>) -> io::Result<Vec<u8>> {
    let fd = fd.ok_or_else(|| invalid("a message without the descriptor of its body"))?;
    let mut body = Vec::new();
    File::from(fd).take(LARGEST + 1).read_to_end(&mut body)?;
    if body.len() as u64 > LARGEST {
        return Err(invalid("a body larger than allowed"));
    }
    Ok(body)
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_any_size_arrives() {
        let (a, b) = seqpacket::pair().expect("a socket pair");
        for size in [0, 1, INLINE, 4 * 1024 * 1024] {
            let text = "x".repeat(size);
            send(a.as_fd(), &text, &[a.as_fd()]).expect("a send");
            let got = receive::<String>(b.as_fd())
                .expect("a message")
                .expect("not closed");
            assert_eq!(got.body.len(), size);
            assert_eq!(got.fds.len(), 1);
        }
    }

    #[test]
    fn nonsense_is_an_error_and_a_closed_peer_is_none() {
        let (a, b) = seqpacket::pair().expect("a socket pair");
        for nonsense in [&b"@"[..], b"{", b"\xff\xfe"] {
            seqpacket::send(a.as_fd(), nonsense, &[]).expect("a send");
            receive::<String>(b.as_fd()).expect_err("nonsense");
        }
        drop(a);
        assert!(
            receive::<String>(b.as_fd())
                .expect("end of stream")
                .is_none()
        );
    }
}
