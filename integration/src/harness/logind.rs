//! A logind of the test suite's own, on a bus of its own: it gives locks, tells of shutdowns, and reads its
//! drop-ins again when it is told to.

use std::fs;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use podling_systemd::wire::{FIXED, Fields, Kind, Message, Reader, WireError, Writer, size_of};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// How long it waits for locks unless a drop-in says more.
const USUAL_DELAY: u64 = 5;

/// One that listens as long as the test runs.
#[derive(Debug)]
pub struct Logind {
    socket: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    drop_ins: PathBuf,
    /// Seconds.
    delay: u64,
    locks: Vec<Lock>,
    listeners: Vec<UnixStream>,
}

/// What was said when a lock was taken, and the end of it that stays here.
#[derive(Debug)]
struct Lock {
    said: String,
    end: UnixStream,
}

impl Lock {
    fn is_held(&self) -> bool {
        let read = (&self.end).read(&mut [0]);
        read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl Logind {
    /// Listens in a directory of the test, and has its drop-ins in another.
    pub fn start(folder: &Path, drop_ins: &Path) -> Self {
        let socket = folder.join("logind-bus");
        let listener = UnixListener::bind(&socket).expect("the folder is the test's own");
        let state = Arc::new(Mutex::new(State {
            drop_ins: drop_ins.to_owned(),
            delay: USUAL_DELAY,
            locks: Vec::new(),
            listeners: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // Until the client leaves.
                std::thread::spawn(move || {
                    let _ = converse(stream, &state);
                });
            }
        });
        Self { socket, state }
    }

    /// What runs before podling so that it finds this one.
    pub fn wrapper(&self) -> Vec<String> {
        let socket = self.socket.display();
        let address = format!("DBUS_SYSTEM_BUS_ADDRESS=unix:path={socket}");
        vec!["env".to_owned(), address]
    }

    /// What was said of each lock that is held: what, who, why, how.
    pub fn locks(&self) -> Vec<String> {
        let state = self.state();
        let held = state.locks.iter().filter(|lock| lock.is_held());
        held.map(|lock| lock.said.clone()).collect()
    }

    /// Tells that the machine goes down.
    pub fn goes_down(&self) {
        self.tell(true);
    }

    /// Tells that it stays after all.
    pub fn stays(&self) {
        self.tell(false);
    }

    fn tell(&self, begins: bool) {
        let mut body = Writer::default();
        body.truth(begins);
        let some = |text: &str| Some(text.to_owned());
        let signal = Message {
            kind: Kind::Signal,
            serial: 1,
            fields: Fields {
                path: some("/org/freedesktop/login1"),
                interface: some("org.freedesktop.login1.Manager"),
                member: some("PrepareForShutdown"),
                signature: some("b"),
                ..Fields::default()
            },
            body: body.into_bytes(),
        };
        for mut listener in &self.state().listeners {
            // One that has left needs no news.
            let _ = listener.write_all(&signal.encode());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn converse(mut stream: UnixStream, state: &Mutex<State>) -> io::Result<()> {
    let mut greeting = Vec::new();
    while !greeting.ends_with(b"BEGIN\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        greeting.extend(byte);
    }
    stream.write_all(b"OK 00112233445566778899aabbccddeeff\r\nAGREE_UNIX_FD\r\n")?;
    loop {
        let mut bytes = vec![0; FIXED];
        stream.read_exact(&mut bytes)?;
        let fixed = bytes.first_chunk().expect("as many were just read");
        bytes.resize(size_of(fixed).map_err(io::Error::other)?, 0);
        stream.read_exact(&mut bytes[FIXED..])?;
        let call = Message::decode(&bytes).map_err(io::Error::other)?;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        answer(&mut stream, &call, &mut state)?;
    }
}

fn answer(stream: &mut UnixStream, call: &Message, state: &mut State) -> io::Result<()> {
    let mut body = Writer::default();
    let signature = match call.fields.member.as_deref().unwrap_or_default() {
        "Hello" => {
            body.text(":1.7");
            "s"
        }
        "AddMatch" => {
            state.listeners.push(stream.try_clone()?);
            ""
        }
        "Get" => {
            body.signature("t");
            body.u64(state.delay * 1_000_000);
            "v"
        }
        "KillUnit" => {
            state.delay = told_delay(&state.drop_ins).unwrap_or(USUAL_DELAY);
            ""
        }
        "Inhibit" => {
            let said = words(&call.body).map_err(io::Error::other)?;
            let (end, lock) = UnixStream::pair()?;
            end.set_nonblocking(true)?;
            state.locks.push(Lock { said, end });
            body.u32(0);
            return send_with(stream, &reply(call, "h", body), &lock);
        }
        other => return Err(io::Error::other(format!("a logind does not know {other}"))),
    };
    stream.write_all(&reply(call, signature, body))
}

fn reply(to: &Message, signature: &str, body: Writer) -> Vec<u8> {
    let message = Message {
        kind: Kind::Return,
        serial: 1,
        fields: Fields {
            reply_to: Some(to.serial),
            signature: (!signature.is_empty()).then(|| signature.to_owned()),
            ..Fields::default()
        },
        body: body.into_bytes(),
    };
    message.encode()
}

/// Four words.
fn words(body: &[u8]) -> Result<String, WireError> {
    let mut body = Reader::new(body);
    let words = [body.text()?, body.text()?, body.text()?, body.text()?];
    Ok(words.join(" | "))
}

/// The delay that the kubelet's drop-in asks for.
fn told_delay(drop_ins: &Path) -> Option<u64> {
    let text = fs::read_to_string(drop_ins.join("99-kubelet.conf")).ok()?;
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("InhibitDelayMaxSec="))?;
    line.parse().ok()
}

/// Bytes, and a file with them.
fn send_with(stream: &UnixStream, bytes: &[u8], file: &UnixStream) -> io::Result<()> {
    let files = [file.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    assert!(
        beside.push(SendAncillaryMessage::ScmRights(&files)),
        "there is room for one"
    );
    sendmsg(
        stream,
        &[IoSlice::new(bytes)],
        &mut beside,
        SendFlags::empty(),
    )?;
    Ok(())
}
