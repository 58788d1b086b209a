//! Unix SOCK_SEQPACKET sockets: whole messages, with descriptors beside them (SCM_RIGHTS).
//!
//! Sockets are bound and connected through a descriptor of their directory
//! (`/proc/self/fd/N/name`), because a socket address holds at most 107 bytes of path.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::net::{
    self, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};

/// Descriptors that one message may carry.
pub const MAX_FDS: usize = 4;

/// One received message.
#[derive(Debug)]
pub struct Received {
    /// Bytes written to the buffer; 0 when the peer has closed.
    pub len: usize,
    /// Descriptors that came along, in the sender's order.
    pub fds: Vec<OwnedFd>,
}

/// Two connected sockets, both blocking.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (a, b) = net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    Ok((a, b))
}

/// A non-blocking socket that listens at `name` in `dir`, in place of what was there.
pub fn listen(dir: &Path, name: &str) -> io::Result<OwnedFd> {
    let dir = open_dir(dir)?;
    match rustix::fs::unlinkat(&dir, name, rustix::fs::AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(errno) => return Err(errno.into()),
    }
    let socket = socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    net::bind(&socket, &address(dir.as_fd(), name)?)?;
    net::listen(&socket, 64)?;
    Ok(socket)
}

/// A non-blocking socket connected to the one that listens at `name` in `dir`.
///
/// Connecting itself may wait while the listener's backlog is full.
pub fn connect(dir: &Path, name: &str) -> io::Result<OwnedFd> {
    let dir = open_dir(dir)?;
    let socket = socket(SocketFlags::CLOEXEC)?;
    net::connect(&socket, &address(dir.as_fd(), name)?)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

/// A non-blocking connection, or `WouldBlock`.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(net::accept_with(
        listener,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
    )?)
}

/// Sends one message whole.
pub fn send(socket: BorrowedFd<'_>, body: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "too many descriptors",
        ));
    }
    net::sendmsg(
        socket,
        &[IoSlice::new(body)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Receives one message; one that does not fit `buffer` is an error.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let message = net::recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags)?;
    let mut fds = Vec::new();
    for entry in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = entry {
            fds.extend(rights);
        }
    }
    let cut = net::ReturnFlags::TRUNC | net::ReturnFlags::CTRUNC;
    if message.flags.intersects(cut) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "message larger than allowed",
        ));
    }
    Ok(Received {
        len: message.bytes,
        fds,
    })
}

fn socket(flags: SocketFlags) -> io::Result<OwnedFd> {
    Ok(net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        flags,
        None,
    )?)
}

fn open_dir(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(dir, flags, Mode::empty())?)
}

fn address(dir: BorrowedFd<'_>, name: &str) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new(format!(
        "/proc/self/fd/{}/{name}",
        dir.as_raw_fd()
    ))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_whole_with_its_descriptors() {
        let (a, b) = pair().expect("a socket pair");
        let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
        send(a.as_fd(), b"hello", &[writer.as_fd()]).expect("a send");
        drop(writer);
        let mut buffer = [0; 16];
        let got = receive(b.as_fd(), &mut buffer).expect("a message");
        assert_eq!(&buffer[..got.len], b"hello");
        rustix::io::write(&got.fds[0], b"through").expect("a write to the passed pipe");
        let len = rustix::io::read(&reader, &mut buffer).expect("a read");
        assert_eq!(&buffer[..len], b"through");
    }

    #[test]
    fn a_message_that_does_not_fit_is_an_error_not_a_prefix() {
        let (a, b) = pair().expect("a socket pair");
        send(a.as_fd(), &[7; 64], &[]).expect("a send");
        let error = receive(b.as_fd(), &mut [0; 16]).expect_err("64 bytes into 16");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_path_longer_than_a_socket_address_can_be_used() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let dir = root.path().join("d".repeat(150));
        std::fs::create_dir(&dir).expect("a directory");
        let listener = listen(&dir, "monitor.sock").expect("a listener");
        let client = connect(&dir, "monitor.sock").expect("a connection");
        let served = accept(listener.as_fd()).expect("the connection");
        send(client.as_fd(), b"x", &[]).expect("a send");
        assert_eq!(
            receive(served.as_fd(), &mut [0; 4]).expect("a message").len,
            1
        );
    }
}
