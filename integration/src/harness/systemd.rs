//! A systemd of the test suite's own: slices and scopes over D-Bus, on a machine with cgroup v2 alone.
//!
//! It keeps to the contract that the runtime relies on: a unit is begun with its processes in it, its
//! controllers are enabled down the way, a delegated scope is not touched below, and a scope ends by
//! itself with its last process.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use podling_systemd::wire::{FIXED, Fields, Kind, Message, Reader, WireError, Writer, size_of};
use podling_systemd::{Value, path_of_slice};

const TOP: &str = "/sys/fs/cgroup";
/// Between two looks at a scope: what the kernel would tell a real one.
const PAUSE: Duration = Duration::from_millis(5);

/// Properties by their names.
type Properties = BTreeMap<String, Value>;

/// Whether this machine has one hierarchy alone, as systemd's driver needs it.
pub fn is_possible() -> bool {
    Path::new(TOP).join("cgroup.controllers").exists()
}

/// One that listens on a bus of its own as long as the test runs.
#[derive(Debug)]
pub struct Systemd {
    socket: PathBuf,
    units: Arc<Mutex<BTreeMap<String, Properties>>>,
}

impl Systemd {
    /// Listens in a directory of the test.
    pub fn start(folder: &Path) -> Self {
        let socket = folder.join("bus");
        let listener = UnixListener::bind(&socket).expect("the folder is the test's own");
        let units = Arc::default();
        let shared = Arc::clone(&units);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let units = Arc::clone(&shared);
                std::thread::spawn(move || Conversation { stream, units }.hold());
            }
        });
        Self { socket, units }
    }

    /// What runs before podling so that it finds this one.
    pub fn wrapper(&self) -> Vec<String> {
        let address = format!(
            "DBUS_SYSTEM_BUS_ADDRESS=unix:path={}",
            self.socket.display()
        );
        vec!["env".to_owned(), address]
    }

    /// The units that are there, by what their names begin with, and what was said about them.
    pub fn units(&self, prefix: &str) -> BTreeMap<String, Properties> {
        let units = self.units.lock().expect("nobody panics with it");
        let named = units.iter().filter(|(name, _)| name.starts_with(prefix));
        named
            .map(|(name, said)| (name.clone(), said.clone()))
            .collect()
    }
}

/// The directory of a slice.
pub fn slice_directory(slice: &str) -> PathBuf {
    let path = path_of_slice(slice).expect("it is a slice");
    PathBuf::from(format!("{TOP}{path}"))
}

struct Conversation {
    stream: UnixStream,
    units: Arc<Mutex<BTreeMap<String, Properties>>>,
}

/// An error of D-Bus: its name and its words.
type Refusal = (&'static str, String);

impl Conversation {
    /// Until the client leaves.
    fn hold(mut self) {
        let _ = self.greet().and_then(|()| self.serve());
    }

    fn greet(&mut self) -> io::Result<()> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            line.extend(byte);
        }
        self.stream
            .write_all(b"OK 00112233445566778899aabbccddeeff\r\n")?;
        self.stream.read_exact(&mut [0; "BEGIN\r\n".len()])
    }

    fn serve(&mut self) -> io::Result<()> {
        for job in 1.. {
            let call = self.receive()?;
            let member = call.fields.member.clone().unwrap_or_default();
            let job = format!("/org/freedesktop/systemd1/job/{job}");
            let done = match member.as_str() {
                "StartTransientUnit" => self.begin(&call.body),
                "StopUnit" => self.stop(&call.body),
                "SetUnitProperties" => {
                    let changed = self.change(&call.body);
                    self.answer(&call, changed.map(|()| None))?;
                    continue;
                }
                _ => {
                    self.answer(&call, Ok(Some(":1.1".to_owned())))?;
                    continue;
                }
            };
            match done {
                Ok(unit) => {
                    self.answer(&call, Ok(Some(job.clone())))?;
                    self.job_removed(&job, &unit)?;
                }
                Err(refusal) => self.answer(&call, Err(refusal))?,
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<Message> {
        let mut bytes = vec![0; FIXED];
        self.stream.read_exact(&mut bytes)?;
        let fixed = bytes.first_chunk().expect("as many were just read");
        bytes.resize(size_of(fixed).map_err(io::Error::other)?, 0);
        self.stream.read_exact(&mut bytes[FIXED..])?;
        Message::decode(&bytes).map_err(io::Error::other)
    }

    fn answer(&mut self, to: &Message, said: Result<Option<String>, Refusal>) -> io::Result<()> {
        let (kind, error, text) = match said {
            Ok(text) => (Kind::Return, None, text),
            Err((name, words)) => {
                let name = format!("org.freedesktop.systemd1.{name}");
                (Kind::Error, Some(name), Some(words))
            }
        };
        let mut body = Writer::default();
        if let Some(text) = &text {
            body.text(text);
        }
        let message = Message {
            kind,
            fields: Fields {
                reply_to: Some(to.serial),
                error,
                signature: text.map(|_| "s".to_owned()),
                ..Fields::default()
            },
            body: body.into_bytes(),
            serial: 1,
        };
        self.stream.write_all(&message.encode())
    }

    fn job_removed(&mut self, job: &str, unit: &str) -> io::Result<()> {
        let mut body = Writer::default();
        body.u32(1);
        [job, unit, "done"].iter().for_each(|text| body.text(text));
        let message = Message {
            kind: Kind::Signal,
            fields: Fields {
                path: Some("/org/freedesktop/systemd1".to_owned()),
                interface: Some("org.freedesktop.systemd1.Manager".to_owned()),
                member: Some("JobRemoved".to_owned()),
                signature: Some("uoss".to_owned()),
                ..Fields::default()
            },
            body: body.into_bytes(),
            serial: 1,
        };
        self.stream.write_all(&message.encode())
    }

    fn begin(&self, body: &[u8]) -> Result<String, Refusal> {
        let mut reader = Reader::new(body);
        let (unit, said) = read_unit(&mut reader, Reader::text).map_err(unreadable)?;
        let exists = (
            "UnitExists",
            format!("Unit {unit} was already loaded or has a fragment file."),
        );
        if self
            .units
            .lock()
            .expect("nobody panics with it")
            .contains_key(&unit)
        {
            return Err(exists);
        }
        let failed = |error: io::Error| ("Failed", error.to_string());
        if unit.ends_with(".slice") {
            self.make_slice(&unit).map_err(failed)?;
            limit(&slice_directory(&unit), &said).map_err(failed)?;
        } else {
            let Some(Value::Text(slice)) = said.get("Slice") else {
                return Err(("BadUnitSetting", "a scope is in a slice".to_owned()));
            };
            self.make_slice(slice).map_err(failed)?;
            let directory = slice_directory(slice).join(&unit);
            begin_scope(&directory, &said).map_err(failed)?;
            let (units, unit) = (Arc::clone(&self.units), unit.clone());
            std::thread::spawn(move || see_scope_end(&directory, &unit, &units));
        }
        let mut units = self.units.lock().expect("nobody panics with it");
        units.insert(unit.clone(), said);
        Ok(unit)
    }

    /// With every slice above, which are there by being named.
    fn make_slice(&self, slice: &str) -> io::Result<()> {
        let mut directory = PathBuf::from(TOP);
        let path = path_of_slice(slice).map_err(io::Error::other)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            fs::write(
                directory.join("cgroup.subtree_control"),
                "+cpu +memory +pids",
            )?;
            directory.push(name);
            match fs::create_dir(&directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            let mut units = self.units.lock().expect("nobody panics with it");
            if name != slice {
                units.entry(name.to_owned()).or_default();
            }
        }
        fs::write(
            directory.join("cgroup.subtree_control"),
            "+cpu +memory +pids",
        )
    }

    fn change(&self, body: &[u8]) -> Result<(), Refusal> {
        let mut reader = Reader::new(body);
        let (unit, said) = read_unit(&mut reader, Reader::u32).map_err(unreadable)?;
        let mut units = self.units.lock().expect("nobody panics with it");
        let known = units.get_mut(&unit).ok_or_else(|| missing(&unit))?;
        known.extend(said.clone());
        limit(&slice_directory(&unit), &said).map_err(|error| ("Failed", error.to_string()))
    }

    fn stop(&self, body: &[u8]) -> Result<String, Refusal> {
        let unit = Reader::new(body).text().map_err(unreadable)?.to_owned();
        let mut units = self.units.lock().expect("nobody panics with it");
        let said = units.remove(&unit).ok_or_else(|| missing(&unit))?;
        let directory = match said.get("Slice") {
            Some(Value::Text(slice)) => slice_directory(slice).join(&unit),
            _ => slice_directory(&unit),
        };
        let _ = fs::write(directory.join("cgroup.kill"), "1");
        remove_tree(&directory);
        Ok(unit)
    }
}

fn missing(unit: &str) -> Refusal {
    ("NoSuchUnit", format!("Unit {unit} not loaded."))
}

fn unreadable(error: WireError) -> Refusal {
    ("InvalidArgs", error.to_string())
}

/// A unit's name, something of no interest, and its properties.
fn read_unit<'a, T>(
    reader: &mut Reader<'a>,
    skip: impl FnOnce(&mut Reader<'a>) -> Result<T, WireError>,
) -> Result<(String, Properties), WireError> {
    let unit = reader.text()?.to_owned();
    skip(reader)?;
    let mut said = Properties::new();
    let mut each = reader.array(8)?;
    while !each.is_at_end() {
        each.align(8);
        let name = each.text()?.to_owned();
        let value = match each.signature()? {
            "b" => Value::Truth(each.u32()? == 1),
            "s" => Value::Text(each.text()?.to_owned()),
            "t" => Value::Number(each.u64()?),
            "as" => Value::Texts(read_all(each.array(4)?, |one| Ok(one.text()?.to_owned()))?),
            "au" => Value::Pids(read_all(each.array(4)?, Reader::u32)?),
            _ => return Err(WireError::Type),
        };
        said.insert(name, value);
    }
    Ok((unit, said))
}

fn read_all<'a, T>(
    mut array: Reader<'a>,
    read: impl Fn(&mut Reader<'a>) -> Result<T, WireError>,
) -> Result<Vec<T>, WireError> {
    let mut all = Vec::new();
    while !array.is_at_end() {
        all.push(read(&mut array)?);
    }
    Ok(all)
}

/// What a slice may use, as its files have it.
fn limit(directory: &Path, said: &Properties) -> io::Result<()> {
    let number = |name: &str| match said.get(name) {
        Some(Value::Number(u64::MAX)) => Some("max".to_owned()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let quota = number("CPUQuotaPerSecUSec").map(|quota| format!("{quota} 1000000"));
    for (file, value) in [
        ("memory.max", number("MemoryMax")),
        ("pids.max", number("TasksMax")),
        ("cpu.weight", number("CPUWeight")),
        ("cpu.max", quota),
    ] {
        if let Some(value) = value {
            fs::write(directory.join(file), value)?;
        }
    }
    Ok(())
}

fn begin_scope(directory: &Path, said: &Properties) -> io::Result<()> {
    fs::create_dir(directory)?;
    if let Some(Value::Pids(pids)) = said.get("PIDs") {
        for pid in pids {
            fs::write(directory.join("cgroup.procs"), pid.to_string())?;
        }
    }
    Ok(())
}

fn see_scope_end(directory: &Path, unit: &str, units: &Mutex<BTreeMap<String, Properties>>) {
    let is_populated = || {
        let events = fs::read_to_string(directory.join("cgroup.events"));
        events.is_ok_and(|text| text.contains("populated 1"))
    };
    while is_populated() {
        std::thread::sleep(PAUSE);
    }
    remove_tree(directory);
    units.lock().expect("nobody panics with it").remove(unit);
}

/// The deepest first; what is in use stays for another try.
fn remove_tree(directory: &Path) {
    for _ in 0..100 {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove_tree(&entry.path());
            }
        }
        match fs::remove_dir(directory) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => std::thread::sleep(PAUSE),
            _ => return,
        }
    }
}
