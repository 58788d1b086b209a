//! One conversation over a Unix socket: saying who one is, asking, and hearing signals meanwhile.

use std::io::{self, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::wire::{FIXED, Fields, Kind, Message, WireError, size_of};

/// More files than any message here brings.
const MOST_FILES: usize = 4;
/// A line of the greeting is short.
const LONGEST_LINE: usize = 512;

/// Where a conversation begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// A bus, on which systemd is one of many.
    Bus(PathBuf),
    /// systemd itself.
    Systemd(PathBuf),
}

impl Door {
    /// The socket.
    pub fn path(&self) -> &PathBuf {
        let (Self::Bus(path) | Self::Systemd(path)) = self;
        path
    }
}

/// Why a conversation broke off.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// Nobody is behind the socket.
    #[error("connect to {}", path.display())]
    Shut {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The socket does not take, or bring, bytes.
    #[error("{attempt} {}", path.display())]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// With which socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Nobody answered in time.
    #[error("no answer from {} in time", path.display())]
    Silent {
        /// The socket.
        path: PathBuf,
    },
    /// Who one is was not believed.
    #[error("{} does not let this process in: {answer:?}", path.display())]
    Rejected {
        /// The socket.
        path: PathBuf,
        /// What it said.
        answer: String,
    },
    /// What came is no message.
    #[error("{} is not understood", path.display())]
    Wire {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        source: WireError,
    },
    /// The question was answered by an error.
    #[error("{name}: {message}")]
    Refused {
        /// D-Bus' name of it.
        name: String,
        /// In words.
        message: String,
    },
}

/// What is brought by messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cargo {
    /// Values alone.
    Values,
    /// Open files too.
    Files,
}

/// A conversation that has begun.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    door: Door,
    /// By when what is waited for has come; nothing when it is waited for without end.
    deadline: Option<Instant>,
    serial: u32,
    /// Signals that came while an answer was waited for, oldest first.
    heard: Vec<Message>,
    /// Files that came with the last message.
    files: Vec<OwnedFd>,
}

/// Ends a conversation from elsewhere: whoever waits for something in it is told that it has ended.
#[derive(Debug)]
pub struct Breaker(UnixStream);

impl Breaker {
    /// Ends it.
    pub fn break_off(self) {
        // One that has ended already is what is wanted.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Connection {
    /// Connects, and says that this is root. All of the conversation is over by then.
    pub(crate) fn open(door: &Door, patience: Duration) -> Result<Self, ConnectionError> {
        let mut connection = Self::connect(door)?;
        connection.wait_for(patience);
        connection.authenticate(Cargo::Values)?;
        Ok(connection)
    }

    /// Connects, and says nothing yet.
    pub(crate) fn connect(door: &Door) -> Result<Self, ConnectionError> {
        let stream = UnixStream::connect(door.path()).map_err(|source| ConnectionError::Shut {
            path: door.path().clone(),
            source,
        })?;
        Ok(Self {
            stream,
            door: door.clone(),
            deadline: None,
            serial: 0,
            heard: Vec::new(),
            files: Vec::new(),
        })
    }

    /// A way to end it from elsewhere.
    pub(crate) fn breaker(&self) -> Result<Breaker, ConnectionError> {
        let other = self.stream.try_clone();
        other
            .map(Breaker)
            .map_err(|source| self.failed("share", source))
    }

    /// What is waited for from now on has to come within this time.
    pub(crate) fn wait_for(&mut self, patience: Duration) {
        self.deadline = Some(Instant::now() + patience);
    }

    /// What is waited for from now on may come whenever it does.
    pub(crate) fn wait_without_end(&mut self) {
        self.deadline = None;
    }

    /// The first file that came with the last message.
    pub(crate) fn take_file(&mut self) -> Option<OwnedFd> {
        let file = self.files.drain(..).next();
        self.files.clear();
        file
    }

    /// Asks, and waits for the answer. Behind its own door systemd does not answer what is for somebody
    /// by name: nobody has one there.
    pub(crate) fn call(
        &mut self,
        mut fields: Fields,
        body: Vec<u8>,
    ) -> Result<Message, ConnectionError> {
        self.serial += 1;
        if let Door::Systemd(_) = self.door {
            fields.destination = None;
        }
        let call = Message {
            kind: Kind::Call,
            serial: self.serial,
            fields,
            body,
        };
        self.send(&call.encode())?;
        loop {
            let message = self.receive()?;
            let is_answer = message.fields.reply_to == Some(self.serial);
            match message.kind {
                Kind::Return if is_answer => return Ok(message),
                Kind::Error if is_answer => return Err(refused(&message)),
                Kind::Signal => self.heard.push(message),
                _ => {}
            }
        }
    }

    /// The next signal, one that came before included.
    pub(crate) fn signal(&mut self) -> Result<Message, ConnectionError> {
        if !self.heard.is_empty() {
            return Ok(self.heard.remove(0));
        }
        loop {
            let message = self.receive()?;
            if message.kind == Kind::Signal {
                return Ok(message);
            }
        }
    }

    /// Something that came is not what was agreed upon.
    pub(crate) fn wire(&self) -> impl Fn(WireError) -> ConnectionError + use<> {
        let path = self.door.path().clone();
        move |source| ConnectionError::Wire {
            path: path.clone(),
            source,
        }
    }

    /// The kernel vouches for the user; the zero byte is what it does that with on other systems.
    ///
    /// `BEGIN` is sent at once, as systemd's own clients do: behind its own door, systemd leaves a message
    /// that it reads together with `BEGIN` lying until more comes, which is never.
    pub(crate) fn authenticate(&mut self, cargo: Cargo) -> Result<(), ConnectionError> {
        let uid = rustix::process::geteuid().as_raw().to_string();
        let uid: String = uid.bytes().map(|digit| format!("{digit:02x}")).collect();
        let (files, answers): (_, &[_]) = match cargo {
            Cargo::Values => ("", &["OK"]),
            Cargo::Files => ("NEGOTIATE_UNIX_FD\r\n", &["OK", "AGREE_UNIX_FD"]),
        };
        self.send(format!("\0AUTH EXTERNAL {uid}\r\n{files}BEGIN\r\n").as_bytes())?;
        for expected in answers {
            let answer = self.line()?;
            if !answer.starts_with(expected) {
                let path = self.door.path().clone();
                return Err(ConnectionError::Rejected { path, answer });
            }
        }
        Ok(())
    }

    fn line(&mut self) -> Result<String, ConnectionError> {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") && line.len() < LONGEST_LINE {
            let mut byte = [0];
            self.fill(&mut byte)?;
            line.extend(byte);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), ConnectionError> {
        let left = self.left()?;
        let sent = self
            .stream
            .set_write_timeout(left)
            .and_then(|()| self.stream.write_all(bytes));
        sent.map_err(|source| self.failed("write to", source))
    }

    fn receive(&mut self) -> Result<Message, ConnectionError> {
        self.files.clear();
        let mut bytes = vec![0; FIXED];
        self.fill(&mut bytes)?;
        let fixed = bytes.first_chunk().expect("as many were just read");
        let size = size_of(fixed).map_err(self.wire())?;
        bytes.resize(size, 0);
        self.fill(&mut bytes[FIXED..])?;
        Message::decode(&bytes).map_err(self.wire())
    }

    /// A peer that sends a byte now and then does not get more time for it.
    fn fill(&mut self, mut bytes: &mut [u8]) -> Result<(), ConnectionError> {
        while !bytes.is_empty() {
            let left = self.left()?;
            let read = self
                .stream
                .set_read_timeout(left)
                .and_then(|()| self.read(bytes));
            match read {
                Ok(0) => {
                    let ended = io::Error::from(io::ErrorKind::UnexpectedEof);
                    return Err(self.failed("read from", ended));
                }
                Ok(count) => bytes = &mut bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed("read from", error)),
            }
        }
        Ok(())
    }

    /// Bytes, and files that come with them.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [IoSliceMut::new(bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let read = recvmsg(&self.stream, &mut bytes, &mut beside, flags)?;
        for one in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = one {
                let room = MOST_FILES.saturating_sub(self.files.len());
                self.files.extend(files.take(room));
            }
        }
        Ok(read.bytes)
    }

    /// How long is waited for what comes next; without end for nothing.
    fn left(&self) -> Result<Option<Duration>, ConnectionError> {
        let Some(deadline) = self.deadline else {
            return Ok(None);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(ConnectionError::Silent {
                path: self.door.path().clone(),
            }),
            false => Ok(Some(left)),
        }
    }

    fn failed(&self, attempt: &'static str, source: io::Error) -> ConnectionError {
        let path = self.door.path().clone();
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ConnectionError::Silent { path },
            _ => ConnectionError::Io {
                attempt,
                path,
                source,
            },
        }
    }
}

fn refused(message: &Message) -> ConnectionError {
    let words = crate::wire::Reader::new(&message.body).text();
    ConnectionError::Refused {
        name: message.fields.error.clone().unwrap_or_default(),
        message: words.unwrap_or_default().to_owned(),
    }
}
