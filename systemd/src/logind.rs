//! logind: how long the machine's shutdown can be held up, the lock that does it, and the news that one
//! begins.

use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::connection::{Breaker, Cargo, Connection, ConnectionError, Door};
use crate::manager::{bus, call as call_systemd, meet};
use crate::wire::{Fields, Message, Reader, WireError, Writer};

/// Longer than an answer takes on a machine that is well.
const PATIENCE: Duration = Duration::from_secs(30);

const NAME: &str = "org.freedesktop.login1";
const OBJECT: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const PREPARE: &str = "PrepareForShutdown";
/// The unit that logind is.
const UNIT: &str = "systemd-logind.service";
/// The signal at which it reads its configuration again.
const SIGHUP: u32 = 1;

/// Why logind did not do as it was asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempted}")]
pub struct LogindError {
    /// What was asked for.
    attempted: &'static str,
    /// Why not.
    source: ConnectionError,
}

/// What becomes of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// It goes down as soon as nobody holds that up.
    GoesDown,
    /// It stays, after all.
    Stays,
}

/// The logind of a machine, in one conversation that lasts.
#[derive(Debug)]
pub struct Logind {
    connection: Connection,
}

impl Logind {
    /// Connects to that of this machine, on the system bus (where `DBUS_SYSTEM_BUS_ADDRESS` says, if it
    /// is set); nothing is said yet.
    pub fn connect() -> Result<Self, LogindError> {
        Self::behind(&bus())
    }

    /// The same on the bus behind a door.
    pub fn behind(door: &Door) -> Result<Self, LogindError> {
        let connection = Connection::connect(door).map_err(failed("reach logind"))?;
        Ok(Self { connection })
    }

    /// A way to end the conversation from elsewhere, while something is waited for.
    pub fn breaker(&self) -> Result<Breaker, LogindError> {
        self.connection.breaker().map_err(failed("reach logind"))
    }

    /// Says who this is, and that news of a shutdown are wanted.
    pub fn greet(&mut self) -> Result<(), LogindError> {
        self.connection.wait_for(PATIENCE);
        let greeted = self.connection.authenticate(Cargo::Files);
        greeted
            .and_then(|()| meet(&mut self.connection, (NAME, MANAGER, PREPARE)))
            .map_err(failed("greet logind"))
    }

    /// How long a shutdown can be held up at most.
    pub fn longest_delay(&mut self) -> Result<Duration, LogindError> {
        let mut body = Writer::default();
        body.text(MANAGER);
        body.text("InhibitDelayMaxUSec");
        let fields = Fields {
            interface: Some(PROPERTIES.to_owned()),
            ..call("Get", "ss")
        };
        let answer = self.ask(fields, body);
        let number = answer.and_then(|answer| {
            let number = number(&answer);
            number.map_err(self.connection.wire())
        });
        number
            .map(Duration::from_micros)
            .map_err(failed("ask logind for InhibitDelayMaxUSec"))
    }

    /// Has logind read its configuration again; it does so in its own time.
    pub fn reload(&mut self) -> Result<(), LogindError> {
        let mut body = Writer::default();
        body.text(UNIT);
        body.text("all");
        body.u32(SIGHUP);
        let told = self.ask(call_systemd("KillUnit", "ssi"), body);
        told.map(drop)
            .map_err(failed("have logind read its configuration again"))
    }

    /// Holds shutdowns up from now on, each until what is returned is closed.
    pub fn hold_up(&mut self, who: &str, why: &str) -> Result<OwnedFd, LogindError> {
        let mut body = Writer::default();
        for word in ["shutdown", who, why, "delay"] {
            body.text(word);
        }
        let answer = self.ask(call("Inhibit", "ssss"), body);
        let lock = answer.and_then(|_| {
            let missing = self.connection.wire()(WireError::Short);
            self.connection.take_file().ok_or(missing)
        });
        lock.map_err(failed("hold shutdowns up"))
    }

    /// Waits, without end, for the next news of a shutdown.
    pub fn hear(&mut self) -> Result<Prospect, LogindError> {
        self.connection.wait_without_end();
        loop {
            let signal = self.connection.signal();
            let signal = signal.map_err(failed("hear of shutdowns"))?;
            if signal.fields.member.as_deref() != Some(PREPARE) {
                continue;
            }
            let begins = Reader::new(&signal.body).u32();
            let begins = begins.map_err(self.connection.wire());
            return match begins.map_err(failed("hear of shutdowns"))? {
                0 => Ok(Prospect::Stays),
                _ => Ok(Prospect::GoesDown),
            };
        }
    }

    fn ask(&mut self, fields: Fields, body: Writer) -> Result<Message, ConnectionError> {
        self.connection.wait_for(PATIENCE);
        self.connection.call(fields, body.into_bytes())
    }
}

/// The number that is the value of a property.
fn number(answer: &Message) -> Result<u64, WireError> {
    let mut body = Reader::new(&answer.body);
    match body.signature()? {
        "t" => body.u64(),
        _ => Err(WireError::Type),
    }
}

fn call(member: &str, signature: &str) -> Fields {
    Fields {
        path: Some(OBJECT.to_owned()),
        interface: Some(MANAGER.to_owned()),
        member: Some(member.to_owned()),
        destination: Some(NAME.to_owned()),
        signature: Some(signature.to_owned()),
        ..Fields::default()
    }
}

fn failed(attempted: &'static str) -> impl FnOnce(ConnectionError) -> LogindError {
    move |source| LogindError { attempted, source }
}
