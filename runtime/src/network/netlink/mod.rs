//! A netlink connection: several requests in one write, every answer read without waiting.
//!
//! The kernel works a request off inside `send` and queues the answers before it returns, so a
//! reading that finds nothing is an error, never a wait. One connection belongs to the network
//! namespace of the thread that opened it and stays there.

mod answer;

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkSerializable,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr};

use answer::{Answer, Refusal};

const HEADER: usize = 16;

/// Why a request to the kernel did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No connection.
    #[error("cannot open a netlink socket")]
    Open(#[source] io::Error),
    /// The request could not be handed over.
    #[error("cannot send {what:?} to the kernel")]
    Send {
        /// What was asked.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The answer could not be read.
    #[error("no answer of the kernel to {what:?}")]
    Receive {
        /// What was asked.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The kernel answered no.
    #[error("the kernel refused to {what}{}", explained(.hint))]
    Refused {
        /// What was asked.
        what: &'static str,
        /// What the kernel adds to the error number; may be empty.
        hint: String,
        /// The error number.
        source: io::Error,
    },
}

impl NetlinkError {
    /// Whether the kernel refused with this error number.
    pub(super) fn is(&self, errno: i32) -> bool {
        matches!(self, Self::Refused { source, .. } if source.raw_os_error() == Some(errno))
    }
}

fn explained(hint: &str) -> String {
    if hint.is_empty() {
        String::new()
    } else {
        format!(" ({hint})")
    }
}

/// One request, without its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// What it asks for, as the end of "the kernel refused to …".
    pub(super) what: &'static str,
    /// Message type.
    pub(super) kind: u16,
    /// `NLM_F_*`; `NLM_F_REQUEST` is understood.
    pub(super) flags: u16,
    /// Everything behind the netlink header.
    pub(super) body: Vec<u8>,
}

impl Request {
    /// A change of links, addresses, routes or neighbours, answered by an acknowledgement.
    pub(super) fn change(what: &'static str, message: &RouteNetlinkMessage, flags: u16) -> Self {
        Self::route(what, message, flags | NLM_F_ACK)
    }

    /// A question about one thing, answered by one message.
    pub(super) fn question(what: &'static str, message: &RouteNetlinkMessage) -> Self {
        Self::route(what, message, 0)
    }

    /// A question about all things of a kind.
    pub(super) fn dump(what: &'static str, message: &RouteNetlinkMessage) -> Self {
        Self::route(what, message, NLM_F_DUMP)
    }

    fn route(what: &'static str, message: &RouteNetlinkMessage, flags: u16) -> Self {
        let mut body = vec![0; message.buffer_len()];
        message.serialize(&mut body);
        Self {
            what,
            kind: message.message_type(),
            flags,
            body,
        }
    }

    fn emit(&self, sequence: u32, buffer: &mut Vec<u8>) {
        let length = HEADER + self.body.len();
        let start = buffer.len();
        buffer.resize(start + length.next_multiple_of(4), 0);
        let mut header = NetlinkBuffer::new(&mut buffer[start..]);
        header.set_length(u32::try_from(length).expect("a request is shorter than 4 GiB"));
        header.set_message_type(self.kind);
        header.set_flags(self.flags | NLM_F_REQUEST);
        header.set_sequence_number(sequence);
        buffer[start + HEADER..start + length].copy_from_slice(&self.body);
    }
}

/// A netlink socket of one protocol in one network namespace.
pub(super) struct Connection {
    socket: Socket,
    sequence: u32,
}

impl Connection {
    /// Opens `protocol` (`NETLINK_ROUTE`, `NETLINK_NETFILTER`) in the calling thread's namespace.
    pub(super) fn open(protocol: isize) -> Result<Self, NetlinkError> {
        let connect = || -> io::Result<Socket> {
            let socket = Socket::new(protocol)?;
            socket.connect(&SocketAddr::new(0, 0))?;
            // Refusals then carry the kernel's own words, and not the request again.
            socket.set_ext_ack(true)?;
            socket.set_cap_ack(true)?;
            Ok(socket)
        };
        let socket = connect().map_err(NetlinkError::Open)?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Sends `requests` in one write; fails with the first one that the kernel refused.
    pub(super) fn transact(&mut self, requests: &[Request]) -> Result<(), NetlinkError> {
        let Some(last) = requests.last() else {
            return Ok(());
        };
        let first = self.send(requests)?;
        let asked = |request: &&Request| request.flags & NLM_F_ACK != 0;
        let mut open = requests.iter().filter(asked).count();
        let mut refused = None;
        while open > 0 {
            for answer in self.receive(last.what)? {
                match answer {
                    Answer::Done(sequence) if sequence >= first => open -= 1,
                    Answer::Refused(refusal) if refusal.sequence >= first => {
                        open -= 1;
                        refused.get_or_insert(refusal);
                    }
                    _ => {}
                }
                // A batch that is refused as a whole is answered once, for its first message.
                if refused
                    .as_ref()
                    .is_some_and(|refusal| is_of(refusal, first, requests))
                {
                    open = 0;
                }
            }
        }
        match refused {
            Some(refusal) => Err(refusal_of(refusal, first, requests)),
            None => Ok(()),
        }
    }

    /// Sends one question and returns the bodies of the messages that answer it.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Vec<Vec<u8>>, NetlinkError> {
        let first = self.send(std::slice::from_ref(request))?;
        let is_dump = request.flags & NLM_F_DUMP == NLM_F_DUMP;
        let mut bodies = Vec::new();
        loop {
            for answer in self.receive(request.what)? {
                match answer {
                    Answer::Message { sequence, body } if sequence == first => {
                        bodies.push(body);
                        if !is_dump {
                            return Ok(bodies);
                        }
                    }
                    Answer::Done(sequence) if sequence == first => return Ok(bodies),
                    Answer::Refused(refusal) if refusal.sequence == first => {
                        return Err(refusal_of(refusal, first, std::slice::from_ref(request)));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Returns the sequence number of the first request.
    fn send(&mut self, requests: &[Request]) -> Result<u32, NetlinkError> {
        let first = self.sequence + 1;
        let mut buffer = Vec::with_capacity(512);
        for request in requests {
            self.sequence += 1;
            request.emit(self.sequence, &mut buffer);
        }
        let what = requests.first().map_or("nothing", |request| request.what);
        let sent = self.socket.send(&buffer, 0);
        sent.map_err(|source| NetlinkError::Send { what, source })?;
        Ok(first)
    }

    fn receive(&self, what: &'static str) -> Result<Vec<Answer>, NetlinkError> {
        // Dumps come in pieces of at most 32 KiB.
        let mut buffer = Vec::with_capacity(32 * 1024);
        let received = self.socket.recv(&mut buffer, libc::MSG_DONTWAIT);
        received.map_err(|source| NetlinkError::Receive { what, source })?;
        Ok(answer::parse(&buffer))
    }
}

/// Whether a refusal is for a message that asked for no acknowledgement (the frame of a batch).
fn is_of(refusal: &Refusal, first: u32, requests: &[Request]) -> bool {
    let index = (refusal.sequence - first) as usize;
    let request = requests.get(index);
    request.is_none_or(|request| request.flags & NLM_F_ACK == 0)
}

fn refusal_of(refusal: Refusal, first: u32, requests: &[Request]) -> NetlinkError {
    let index = (refusal.sequence - first) as usize;
    NetlinkError::Refused {
        what: requests.get(index).map_or("answer", |request| request.what),
        hint: refusal.hint,
        source: io::Error::from_raw_os_error(refusal.errno),
    }
}
