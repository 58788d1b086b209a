//! systemd's manager of units: start, change and stop, and wait until it is so.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::connection::{Connection, ConnectionError, Door};
use crate::property::Property;
use crate::wire::{Fields, Message, Reader, Writer};

/// Where the bus of a machine listens when nobody says otherwise.
const BUS: &str = "/run/dbus/system_bus_socket";
/// Where systemd itself listens, for root; for machines without a bus, and before it is up.
const PRIVATE: &str = "/run/systemd/private";
/// What systemd makes before anything else when it runs the machine.
const RUNS: &str = "/run/systemd/system";
/// Longer than a job of a scope or a slice takes on a machine that is well, as long as others wait.
const PATIENCE: Duration = Duration::from_secs(30);

const NAME: &str = "org.freedesktop.systemd1";
const OBJECT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const BUS_NAME: &str = "org.freedesktop.DBus";
const BUS_OBJECT: &str = "/org/freedesktop/DBus";
const JOB_REMOVED: &str = "JobRemoved";

/// Why systemd did not do as it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// Nobody is there to be asked.
    #[error(
        "cannot reach systemd to {attempted}: the systemd cgroup driver is for machines that systemd \
         runs; on others, use cgroupDriver: cgroupfs"
    )]
    Unreachable {
        /// What for.
        attempted: String,
        /// Why not.
        source: ConnectionError,
    },
    /// It was asked, and no good answer came.
    #[error("cannot {attempted}")]
    Refused {
        /// What was asked for.
        attempted: String,
        /// Why not.
        source: ConnectionError,
    },
    /// It has tried.
    #[error(
        "cannot {attempted}: systemd's job ended with {result:?}; `systemctl status {unit}` may say why"
    )]
    Job {
        /// What was asked for.
        attempted: String,
        /// Of which unit.
        unit: String,
        /// How it ended.
        result: String,
    },
}

/// What became of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It has begun.
    New,
    /// A unit of that name was there, and is as it was.
    WasThere,
}

/// The systemd of a machine. Nothing is kept between two questions, so it may be started anew at any time.
#[derive(Clone, Debug)]
pub struct Systemd {
    doors: Vec<Door>,
    patience: Duration,
}

impl Systemd {
    /// That of this machine: on the system bus (where `DBUS_SYSTEM_BUS_ADDRESS` says, if it is set),
    /// else behind its own socket.
    pub fn of_this_machine() -> Self {
        let doors = match told_bus() {
            Some(bus) => vec![Door::Bus(bus)],
            None => vec![Door::Bus(BUS.into()), Door::Systemd(PRIVATE.into())],
        };
        Self::behind(doors)
    }

    /// One that is reached through the first of these doors that is open.
    pub fn behind(doors: Vec<Door>) -> Self {
        Self {
            doors,
            patience: PATIENCE,
        }
    }

    /// The same, which has to answer within this time.
    #[must_use]
    pub fn within(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Whether systemd runs this machine.
    pub fn runs_this_machine() -> bool {
        Path::new(RUNS).is_dir()
    }

    /// Whether it answers.
    pub fn greet(&self) -> Result<(), SystemdError> {
        self.open("ask it anything").map(drop)
    }

    /// Starts a unit that is not in any file, and waits until it has begun.
    pub fn start(&self, unit: &str, properties: &[Property]) -> Result<Started, SystemdError> {
        let attempted = format!("start {unit}");
        let mut connection = self.open(&attempted)?;
        let mut body = Writer::default();
        body.text(unit);
        body.text("fail");
        body.properties(properties);
        // Units that would go with it: none.
        body.array(8, |_| {});
        let fields = call("StartTransientUnit", "ssa(sv)a(sa(sv))");
        match connection.call(fields, body.into_bytes()) {
            Err(error) if is(&error, "UnitExists") => Ok(Started::WasThere),
            answer => {
                finish(&mut connection, answer, unit, attempted)?;
                Ok(Started::New)
            }
        }
    }

    /// Changes a unit that is there, until it ends.
    pub fn change(&self, unit: &str, properties: &[Property]) -> Result<(), SystemdError> {
        let attempted = format!("change {unit}");
        let mut connection = self.open(&attempted)?;
        let mut body = Writer::default();
        body.text(unit);
        body.truth(true);
        body.properties(properties);
        let answer = connection.call(call("SetUnitProperties", "sba(sv)"), body.into_bytes());
        answer
            .map(drop)
            .map_err(|source| SystemdError::Refused { attempted, source })
    }

    /// Stops a unit with all that is in it, and waits until that is so. One that is not there is no
    /// matter.
    pub fn stop(&self, unit: &str) -> Result<(), SystemdError> {
        let attempted = format!("stop {unit}");
        let mut connection = self.open(&attempted)?;
        let mut body = Writer::default();
        body.text(unit);
        body.text("replace");
        match connection.call(call("StopUnit", "ss"), body.into_bytes()) {
            Err(error) if is(&error, "NoSuchUnit") => Ok(()),
            answer => finish(&mut connection, answer, unit, attempted),
        }
    }

    /// A conversation in which ends of jobs are heard. Behind a door that opens, somebody must answer for
    /// systemd too.
    fn open(&self, attempted: &str) -> Result<Connection, SystemdError> {
        let mut told = None;
        for door in &self.doors {
            match introduce(door, self.patience) {
                Ok(connection) => return Ok(connection),
                // That one door is shut says less than what was heard behind another.
                Err(ConnectionError::Shut { .. }) if told.is_some() => {}
                Err(error) => told = Some(error),
            }
        }
        Err(SystemdError::Unreachable {
            attempted: attempted.to_owned(),
            source: told.expect("there is a door, which did not open"),
        })
    }
}

/// The system bus, where it is told to be.
fn told_bus() -> Option<PathBuf> {
    let address = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").ok();
    address.as_deref().and_then(bus_of)
}

/// The system bus of this machine.
pub(crate) fn bus() -> Door {
    Door::Bus(told_bus().unwrap_or_else(|| BUS.into()))
}

/// `unix:path=/run/dbus/system_bus_socket`, perhaps with more after a comma, perhaps several.
fn bus_of(address: &str) -> Option<PathBuf> {
    let mut all = address.split(';');
    all.find_map(|one| {
        let words = one.strip_prefix("unix:")?;
        words.split(',').find_map(|word| word.strip_prefix("path="))
    })
    .map(PathBuf::from)
}

/// systemd tells whoever is at its own socket of every job, and on a bus those who have asked for it.
fn introduce(door: &Door, patience: Duration) -> Result<Connection, ConnectionError> {
    let mut connection = Connection::open(door, patience)?;
    if let Door::Bus(_) = door {
        meet(&mut connection, (NAME, MANAGER, JOB_REMOVED))?;
    }
    let subscribe = Fields {
        signature: None,
        ..call("Subscribe", "")
    };
    match connection.call(subscribe, Vec::new()) {
        Err(error) if !is(&error, "AlreadySubscribed") => Err(error),
        _ => Ok(connection),
    }
}

/// Says hello to a bus, and asks it for a signal, by its sender, interface and name.
pub(crate) fn meet(
    connection: &mut Connection,
    (sender, interface, member): (&str, &str, &str),
) -> Result<(), ConnectionError> {
    connection.call(to_bus("Hello", None), Vec::new())?;
    let mut rule = Writer::default();
    rule.text(&format!(
        "type='signal',sender='{sender}',interface='{interface}',member='{member}'"
    ));
    let asked = connection.call(to_bus("AddMatch", Some("s")), rule.into_bytes());
    asked.map(drop)
}

fn to_bus(member: &str, signature: Option<&str>) -> Fields {
    Fields {
        path: Some(BUS_OBJECT.to_owned()),
        interface: Some(BUS_NAME.to_owned()),
        member: Some(member.to_owned()),
        destination: Some(BUS_NAME.to_owned()),
        signature: signature.map(str::to_owned),
        ..Fields::default()
    }
}

/// A call of systemd's manager.
pub(crate) fn call(member: &str, signature: &str) -> Fields {
    Fields {
        path: Some(OBJECT.to_owned()),
        interface: Some(MANAGER.to_owned()),
        member: Some(member.to_owned()),
        destination: Some(NAME.to_owned()),
        signature: Some(signature.to_owned()),
        ..Fields::default()
    }
}

/// Whether systemd's error has this name.
fn is(error: &ConnectionError, name: &str) -> bool {
    matches!(error, ConnectionError::Refused { name: full, .. }
        if full.strip_prefix(NAME).and_then(|rest| rest.strip_prefix('.')) == Some(name))
}

/// Waits until the job that was answered with has ended, and says whether it ended well.
fn finish(
    connection: &mut Connection,
    answer: Result<Message, ConnectionError>,
    unit: &str,
    attempted: String,
) -> Result<(), SystemdError> {
    match answer.and_then(|answer| job_result(connection, &answer)) {
        Ok(result) if result == "done" => Ok(()),
        Ok(result) => Err(SystemdError::Job {
            attempted,
            unit: unit.to_owned(),
            result,
        }),
        Err(source) => Err(SystemdError::Refused { attempted, source }),
    }
}

fn job_result(connection: &mut Connection, answer: &Message) -> Result<String, ConnectionError> {
    let wire = connection.wire();
    let job = Reader::new(&answer.body).text().map_err(&wire)?;
    loop {
        let signal = connection.signal()?;
        if signal.fields.member.as_deref() != Some(JOB_REMOVED) {
            continue;
        }
        let mut body = Reader::new(&signal.body);
        let _id = body.u32().map_err(&wire)?;
        let ended = body.text().map_err(&wire)?;
        let _unit = body.text().map_err(&wire)?;
        if ended == job {
            return Ok(body.text().map_err(&wire)?.to_owned());
        }
    }
}
