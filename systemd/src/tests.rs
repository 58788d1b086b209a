//! Against another library's bytes, and against a systemd that is a thread.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::JoinHandle;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::wire::{FIXED, Fields, Kind, Message, Reader, WireError, Writer, size_of};
use crate::{
    ConnectionError, Door, Logind, Property, Prospect, Started, Systemd, SystemdError, Value,
};

/// `StartTransientUnit` as jeepney 0.9 writes it.
const OF_JEEPNEY: &str = "6c010001b000000003000000b600000001016f00190000002f6f72672f667265656465736b746f702f73\
797374656d64310000000000000002017300200000006f72672e667265656465736b746f702e73797374656d64312e4d616e61676572000000\
0000000000030173001200000053746172745472616e7369656e74556e697400000000000006017300180000006f72672e6672656564657\
36b746f702e73797374656d6431000000000000000008016700107373612873762961287361287376292900000007000000782e73636f7065\
00040000006661696c000000008c0000000000000005000000536c6963650001730000000009000000612d622e736c6963650000000800000\
044656c6567617465000162000100000000000000080000005461736b734d617800017400ffffffffffffffff0500000057616e7473000261\
730000000c00000007000000612e736c696365000400000050494473000261750000000008000000070000000800000000000000";

fn properties() -> Vec<Property> {
    vec![
        Property::text("Slice", "a-b.slice"),
        Property::truth("Delegate", true),
        Property::number("TasksMax", u64::MAX),
        Property {
            name: "Wants",
            value: Value::Texts(vec!["a.slice".to_owned()]),
        },
        Property::pids(&[7, 8]),
    ]
}

#[cfg(target_endian = "little")]
#[test]
fn a_call_is_written_as_others_write_it() {
    let mut body = Writer::default();
    body.text("x.scope");
    body.text("fail");
    body.properties(&properties());
    body.array(8, |_| {});
    let some = |text: &str| Some(text.to_owned());
    let call = Message {
        kind: Kind::Call,
        serial: 3,
        fields: Fields {
            path: some("/org/freedesktop/systemd1"),
            interface: some("org.freedesktop.systemd1.Manager"),
            member: some("StartTransientUnit"),
            destination: some("org.freedesktop.systemd1"),
            signature: some("ssa(sv)a(sa(sv))"),
            ..Fields::default()
        },
        body: body.into_bytes(),
    };
    let bytes = call.encode();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, OF_JEEPNEY);
    assert_eq!(Message::decode(&bytes), Ok(call));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Message::decode(&bytes);
        // The same as a message of the right protocol.
        let mut bytes = bytes;
        bytes.splice(0..bytes.len().min(4), [if cfg!(target_endian = "little") { b'l' } else { b'B' }, 1, 0, 1]);
        let _ = Message::decode(&bytes);
    }
}

#[test]
fn a_message_of_another_protocol_or_without_end_is_refused() {
    let mut fixed = [0; FIXED];
    assert_eq!(size_of(&fixed), Err(WireError::Protocol));
    fixed[..4].copy_from_slice(&Message::default().encode()[..4]);
    fixed[4..8].fill(0xff);
    assert!(matches!(size_of(&fixed), Err(WireError::Long(_))));
}

/// What a systemd of tests answers a call with, and the signals after it.
type Answers = fn(&Message) -> Vec<Message>;

/// A socket behind which one systemd lives that answers as told, and hands over what it was asked.
struct Stage {
    folder: TempDir,
    thread: JoinHandle<Vec<Message>>,
}

impl Stage {
    fn open(answers: Answers) -> Self {
        let folder = TempDir::new().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            serve(stream, answers)
        });
        Self { folder, thread }
    }

    fn systemd(&self) -> Systemd {
        let socket = self.folder.path().join("socket");
        Systemd::behind(vec![Door::Systemd(socket)]).within(Duration::from_secs(20))
    }
}

fn serve(mut stream: UnixStream, answers: Answers) -> Vec<Message> {
    let mut greeting = Vec::new();
    let mut byte = [0];
    // systemd reads what is there at once: nothing but the greeting may be.
    while !greeting.ends_with(b"BEGIN\r\n") {
        stream.read_exact(&mut byte).unwrap();
        greeting.extend(byte);
    }
    assert!(greeting.starts_with(b"\0AUTH EXTERNAL "));
    stream.write_all(b"OK 0123456789abcdef\r\n").unwrap();
    let mut asked = Vec::new();
    loop {
        let mut bytes = vec![0; FIXED];
        if stream.read_exact(&mut bytes).is_err() {
            return asked;
        }
        bytes.resize(size_of(bytes.first_chunk().unwrap()).unwrap(), 0);
        stream.read_exact(&mut bytes[FIXED..]).unwrap();
        let call = Message::decode(&bytes).unwrap();
        for answer in answers(&call) {
            stream.write_all(&answer.encode()).unwrap();
        }
        asked.push(call);
    }
}

fn answer(to: &Message, text: &str) -> Message {
    let mut body = Writer::default();
    body.text(text);
    Message {
        kind: Kind::Return,
        fields: Fields {
            reply_to: Some(to.serial),
            signature: Some("o".to_owned()),
            ..Fields::default()
        },
        body: body.into_bytes(),
        ..Message::default()
    }
}

fn error(to: &Message, name: &str, words: &str) -> Message {
    let mut message = answer(to, words);
    message.kind = Kind::Error;
    message.fields.error = Some(format!("org.freedesktop.systemd1.{name}"));
    message
}

fn job_removed(job: &str, result: &str) -> Message {
    let mut body = Writer::default();
    body.u32(1);
    body.text(job);
    body.text("x.scope");
    body.text(result);
    Message {
        kind: Kind::Signal,
        fields: Fields {
            member: Some("JobRemoved".to_owned()),
            signature: Some("uoss".to_owned()),
            ..Fields::default()
        },
        body: body.into_bytes(),
        ..Message::default()
    }
}

fn is(call: &Message, member: &str) -> bool {
    call.fields.member.as_deref() == Some(member)
}

#[test]
fn a_start_is_over_when_its_own_job_is() {
    let stage = Stage::open(|call| match is(call, "StartTransientUnit") {
        true => vec![
            // Of somebody else, and before the answer.
            job_removed("/job/1", "failed"),
            answer(call, "/job/2"),
            job_removed("/job/3", "failed"),
            job_removed("/job/2", "done"),
        ],
        false => vec![answer(call, "")],
    });
    let started = stage.systemd().start("x.scope", &properties());
    assert_eq!(started.unwrap(), Started::New);
    let asked = stage.thread.join().unwrap();
    let said = asked.iter().map(|call| {
        let Fields {
            member,
            destination,
            ..
        } = &call.fields;
        (member.as_deref().unwrap(), destination.as_deref())
    });
    // A systemd that is asked by name behind its own door does not answer.
    assert_eq!(
        said.collect::<Vec<_>>(),
        [("Subscribe", None), ("StartTransientUnit", None)]
    );
}

#[test]
fn a_job_that_is_over_before_the_answer_comes_counts() {
    let stage = Stage::open(|call| match is(call, "StopUnit") {
        true => vec![job_removed("/job/2", "done"), answer(call, "/job/2")],
        false => vec![answer(call, "")],
    });
    stage.systemd().stop("x.scope").unwrap();
}

#[test]
fn what_is_there_is_not_started_again_and_what_is_not_is_not_stopped() {
    let exists: Answers = |call| match is(call, "StartTransientUnit") {
        true => vec![error(call, "UnitExists", "Unit a.slice was already loaded")],
        false => vec![answer(call, "")],
    };
    let started = Stage::open(exists).systemd().start("a.slice", &[]);
    assert_eq!(started.unwrap(), Started::WasThere);
    let gone: Answers = |call| match is(call, "StopUnit") {
        true => vec![error(call, "NoSuchUnit", "Unit a.slice not loaded.")],
        false => vec![answer(call, "")],
    };
    Stage::open(gone).systemd().stop("a.slice").unwrap();
}

#[test]
fn a_refusal_and_a_job_that_failed_say_why() {
    let refuses: Answers = |call| match is(call, "SetUnitProperties") {
        true => vec![error(call, "NoSuchUnit", "Unit a.slice not loaded.")],
        false => vec![answer(call, "")],
    };
    let refused = Stage::open(refuses).systemd().change("a.slice", &[]);
    let Err(SystemdError::Refused { source, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(source.to_string().ends_with("Unit a.slice not loaded."));
    let fails: Answers = |call| match is(call, "StartTransientUnit") {
        true => vec![answer(call, "/job/1"), job_removed("/job/1", "failed")],
        false => vec![answer(call, "")],
    };
    let failed = Stage::open(fails).systemd().start("x.scope", &[]);
    assert!(
        failed.unwrap_err().to_string().contains("\"failed\""),
        "a failed job is an error"
    );
}

#[test]
fn a_systemd_that_is_silent_is_not_waited_for_for_ever() {
    let stage = Stage::open(|_| Vec::new());
    let impatient = stage.systemd().within(Duration::from_millis(50));
    let error = impatient.greet().unwrap_err();
    assert!(
        matches!(
            &error,
            SystemdError::Unreachable {
                source: ConnectionError::Silent { .. },
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn the_second_door_is_tried_when_the_first_is_shut_and_the_first_is_told_of() {
    let stage = Stage::open(|call| vec![answer(call, "")]);
    let socket = stage.folder.path().join("socket");
    let shut = stage.folder.path().join("nobody");
    let doors = vec![Door::Bus(shut.clone()), Door::Systemd(socket)];
    Systemd::behind(doors).greet().unwrap();
    let nobody = Systemd::behind(vec![Door::Bus(shut.clone())]);
    let error = nobody.greet().unwrap_err();
    assert!(
        error.to_string().contains("cgroupDriver: cgroupfs"),
        "{error}"
    );
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains(&shut.display().to_string()), "{source}");
}

#[test]
fn on_a_bus_it_is_greeted_first_and_jobs_are_listened_to() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("bus");
    let listener = UnixListener::bind(&socket).unwrap();
    let bus = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        serve(stream, |call| vec![answer(call, ":1.7")])
    });
    Systemd::behind(vec![Door::Bus(socket)]).greet().unwrap();
    let asked = bus.join().unwrap();
    let members: Vec<_> = asked
        .iter()
        .map(|call| call.fields.member.as_deref().unwrap())
        .collect();
    assert_eq!(members, ["Hello", "AddMatch", "Subscribe"]);
    let rule = Reader::new(&asked[1].body).text().unwrap();
    assert!(rule.contains("member='JobRemoved'"), "{rule}");
}

/// What a message says that has this text as its body.
fn body(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut body = Writer::default();
    write(&mut body);
    body.into_bytes()
}

fn prepare_for_shutdown(begins: bool) -> Message {
    Message {
        kind: Kind::Signal,
        fields: Fields {
            member: Some("PrepareForShutdown".to_owned()),
            signature: Some("b".to_owned()),
            ..Fields::default()
        },
        body: body(|body| body.truth(begins)),
        ..Message::default()
    }
}

/// A logind on a bus: it waits five seconds, gives locks, and tells of one shutdown before the lock's
/// answer, and of its end after it. The other end of the lock comes out.
fn logind(mut stream: UnixStream) -> (Vec<String>, UnixStream) {
    let mut greeting = Vec::new();
    while !greeting.ends_with(b"BEGIN\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        greeting.extend(byte);
    }
    stream
        .write_all(b"OK 0123456789abcdef\r\nAGREE_UNIX_FD\r\n")
        .unwrap();
    let mut asked = Vec::new();
    let (mine, theirs) = UnixStream::pair().unwrap();
    loop {
        let mut bytes = vec![0; FIXED];
        if stream.read_exact(&mut bytes).is_err() {
            return (asked, mine);
        }
        bytes.resize(size_of(bytes.first_chunk().unwrap()).unwrap(), 0);
        stream.read_exact(&mut bytes[FIXED..]).unwrap();
        let call = Message::decode(&bytes).unwrap();
        let said = match call.fields.member.as_deref().unwrap() {
            "Get" => body(|body| {
                body.signature("t");
                body.u64(5_000_000);
            }),
            _ => body(|body| body.u32(0)),
        };
        let mut answer = answer(&call, "");
        answer.body = said;
        if is(&call, "Inhibit") {
            stream
                .write_all(&prepare_for_shutdown(true).encode())
                .unwrap();
            send_with(&stream, &answer.encode(), &theirs);
            stream
                .write_all(&prepare_for_shutdown(false).encode())
                .unwrap();
        } else {
            stream.write_all(&answer.encode()).unwrap();
        }
        asked.push(call.fields.member.unwrap());
    }
}

/// Bytes, and a file with the first of them.
fn send_with(stream: &UnixStream, bytes: &[u8], file: &UnixStream) {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let files = [std::os::fd::AsFd::as_fd(file)];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    assert!(beside.push(SendAncillaryMessage::ScmRights(&files)));
    let bytes = [std::io::IoSlice::new(bytes)];
    sendmsg(stream, &bytes, &mut beside, SendFlags::empty()).unwrap();
}

#[test]
fn shutdowns_are_held_up_by_a_file_and_heard_of_until_the_conversation_is_broken_off() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("bus");
    let listener = UnixListener::bind(&socket).unwrap();
    let bus = std::thread::spawn(move || logind(listener.accept().unwrap().0));
    let mut logind = Logind::behind(&Door::Bus(socket)).unwrap();
    let breaker = logind.breaker().unwrap();
    logind.greet().unwrap();
    assert_eq!(logind.longest_delay().unwrap(), Duration::from_secs(5));
    let lock = logind.hold_up("a test", "to see it").unwrap();
    logind.reload().unwrap();
    // Heard before the answer, and after it.
    assert_eq!(logind.hear().unwrap(), Prospect::GoesDown);
    assert_eq!(logind.hear().unwrap(), Prospect::Stays);
    let listening = std::thread::spawn(move || logind.hear());
    breaker.break_off();
    listening.join().unwrap().unwrap_err();

    let (asked, mut other_end) = bus.join().unwrap();
    assert_eq!(asked, ["Hello", "AddMatch", "Get", "Inhibit", "KillUnit"]);
    drop(lock);
    assert_eq!(other_end.read(&mut [0]).unwrap(), 0, "the lock is closed");
}
