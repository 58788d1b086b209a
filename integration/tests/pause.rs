//! Stories about `pause`: what it does as PID 1 and elsewhere, and how small it is.

mod support;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::thread;

use libseccomp::{ScmpAction, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use rustix::process::{Pid, Signal, kill_process};

use support::{children, pause_program, wait_for};

static PAUSE: LazyLock<PathBuf> = LazyLock::new(pause_program);

const MOST_BYTES_ON_DISK: u64 = 16 << 10;
const MOST_RESIDENT_KB: u64 = 40;

/// SIGINT, SIGTERM and SIGCHLD as a set of /proc/PID/status.
const HANDLED: u64 = 1 << (2 - 1) | 1 << (15 - 1) | 1 << (17 - 1);

/// A running pause; killed when dropped.
struct Pause {
    /// pause itself, or what started it.
    child: Child,
    /// pause itself, as this process counts.
    pid: u32,
}

impl Pause {
    /// Starts pause as the first process of a new PID namespace.
    fn as_pid_1() -> Self {
        let child = spawn(
            Command::new("unshare")
                .args(["--pid", "--fork", "--kill-child"])
                .arg(&*PAUSE),
        );
        let pid = wait_for("the namespace's first process", || {
            children(child.id()).first().copied()
        });
        Self { child, pid }.until_ready()
    }

    /// Starts pause through a program that becomes pause.
    fn through(program: &str, arguments: &[&str]) -> Self {
        let child = spawn(Command::new(program).args(arguments));
        let pid = child.id();
        Self { child, pid }.until_ready()
    }

    fn plainly() -> Self {
        Self::through(PAUSE.to_str().expect("paths here are UTF-8"), &[])
    }

    /// Before its handlers stand, a signal would hit the default action.
    fn until_ready(self) -> Self {
        wait_for("pause to handle its signals", || {
            let caught = status_field(self.pid, "SigCgt:")?;
            (u64::from_str_radix(&caught, 16) == Ok(HANDLED)).then_some(())
        });
        self
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid.cast_signed()).expect("pids are positive");
        kill_process(pid, signal).expect("send a signal to pause");
    }

    /// Waits for the end; answers with the exit code and what was said on stderr.
    fn end(mut self) -> (Option<i32>, String) {
        let status = wait_for("pause to end", || {
            self.child.try_wait().expect("wait for pause")
        });
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().expect("stderr is a pipe");
        stderr
            .read_to_string(&mut said)
            .expect("read what pause said");
        (status.code(), said)
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(command: &mut Command) -> Child {
    command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start a process")
}

/// A field of /proc/PID/status.
fn status_field(pid: u32, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().to_owned())
}

#[test]
fn outside_a_pid_namespace_it_warns_and_obeys() {
    for (signal, name) in [(Signal::INT, "Interrupt"), (Signal::TERM, "Terminated")] {
        let pause = Pause::plainly();
        pause.signal(signal);
        let (code, said) = pause.end();
        assert_eq!(code, Some(0));
        let (warning, farewell) = said.split_once('\n').expect("two lines");
        assert!(warning.starts_with("Warning: "), "{warning}");
        assert_eq!(farewell, format!("Shutting down, got signal: {name}\n"));
    }
}

#[test]
fn as_pid_1_it_obeys_signals_from_outside() {
    for (signal, name) in [(Signal::INT, "Interrupt"), (Signal::TERM, "Terminated")] {
        let pause = Pause::as_pid_1();
        let pids = status_field(pause.pid, "NSpid:").expect("a running process has pids");
        assert_eq!(pids.split_whitespace().last(), Some("1"));
        pause.signal(signal);
        let farewell = format!("Shutting down, got signal: {name}\n");
        assert_eq!(pause.end(), (Some(0), farewell));
    }
}

#[test]
fn as_pid_1_it_reaps_a_thousand_orphans_that_end_at_once() {
    const ORPHANS: usize = 1000;
    let pause = Pause::as_pid_1();
    let (orphans_stdin, held_open) = io::pipe().expect("make a pipe");
    let left = Command::new("nsenter")
        .args(["--target", &pause.pid.to_string(), "--pid", "--"])
        .args([
            env!("CARGO_BIN_EXE_podling-testbox"),
            "orphans",
            &ORPHANS.to_string(),
        ])
        .stdin(orphans_stdin)
        .stdout(Stdio::null())
        .status()
        .expect("run nsenter");
    assert!(left.success(), "nsenter ended with {left}");
    wait_for("the orphans to be pause's children", || {
        (children(pause.pid).len() == ORPHANS).then_some(())
    });

    drop(held_open);

    wait_for("pause to have no children, zombies neither", || {
        children(pause.pid).is_empty().then_some(())
    });
    pause.signal(Signal::TERM);
    assert_eq!(pause.end().0, Some(0));
}

#[test]
fn children_that_died_before_it_started_are_reaped() {
    // The shell's child is a zombie, or will be one, when the shell becomes pause.
    let script = format!("true & exec {}", PAUSE.display());
    let pause = Pause::through("sh", &["-c", &script]);
    wait_for("pause to have no children", || {
        children(pause.pid).is_empty().then_some(())
    });
}

#[test]
fn signals_that_its_parent_blocked_reach_it() {
    let program = PAUSE.to_str().expect("paths here are UTF-8");
    let pause = Pause::through("env", &["--block-signal=TERM,INT,CHLD", program]);
    pause.signal(Signal::TERM);
    assert_eq!(pause.end().0, Some(0));
}

#[test]
fn a_storm_of_signals_hides_none() {
    let pause = Pause::as_pid_1();
    for _ in 0..10_000 {
        pause.signal(Signal::CHILD);
    }
    pause.signal(Signal::TERM);
    assert_eq!(pause.end().0, Some(0));
}

#[test]
fn the_version_is_printed_for_either_case_of_v() {
    for arguments in [["-v", ""], ["-V", ""], ["other", "-v"]] {
        let output = Command::new(&*PAUSE)
            .args(arguments)
            .output()
            .expect("run pause");
        assert_eq!(output.status.code(), Some(0));
        let version = String::from_utf8(output.stdout).expect("versions are text");
        assert_eq!(version, format!("pause {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn each_handler_that_cannot_be_set_has_its_own_exit_code() {
    for (signal, code) in [(Signal::INT, 1), (Signal::TERM, 2), (Signal::CHILD, 3)] {
        let number = u64::try_from(signal.as_raw()).expect("signals are positive");
        let setting_it = [
            ScmpArgCompare::new(0, ScmpCompareOp::Equal, number),
            ScmpArgCompare::new(1, ScmpCompareOp::NotEqual, 0),
        ];
        assert_eq!(run_without("rt_sigaction", &setting_it).code(), Some(code));
    }
}

#[test]
fn without_a_way_to_wait_it_ends_with_42() {
    assert_eq!(run_without("ppoll", &[]).code(), Some(42));
}

/// Runs pause where the kernel refuses a system call. A filter holds for one thread and what that
/// thread starts.
fn run_without(syscall: &str, when: &[ScmpArgCompare]) -> ExitStatus {
    let run = || {
        let syscall = ScmpSyscall::from_name(syscall).expect("libseccomp knows the call");
        let mut filter = ScmpFilterContext::new(ScmpAction::Allow).expect("make a filter");
        filter
            .add_rule_conditional(ScmpAction::Errno(libc::EPERM), syscall, when)
            .expect("add the rule");
        filter.load().expect("load the filter");
        let mut pause = Pause {
            child: spawn(&mut Command::new(&*PAUSE)),
            pid: 0,
        };
        wait_for("pause to give up", || {
            pause.child.try_wait().expect("wait for pause")
        })
    };
    thread::scope(|scope| scope.spawn(run).join().expect("the thread ends well"))
}

#[test]
fn it_fits_its_budget_on_disk() {
    let size = fs::metadata(&*PAUSE).expect("pause is built").len();
    assert!(size <= MOST_BYTES_ON_DISK, "{size} bytes");
}

#[test]
fn it_fits_its_budget_in_memory() {
    let pause = Pause::as_pid_1();
    let resident = resident_kb(&Path::new("/proc").join(pause.pid.to_string()));
    assert!(resident <= MOST_RESIDENT_KB, "{resident} KB resident");
}

/// Counted page by page; /proc/PID/status may lag behind.
fn resident_kb(process: &Path) -> u64 {
    let rollup = fs::read_to_string(process.join("smaps_rollup")).expect("read smaps_rollup");
    let line = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Rss:"))
        .expect("an Rss line");
    line.trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number of kB")
}

#[test]
fn nothing_has_to_be_loaded_or_relocated() {
    let program = fs::read(&*PAUSE).expect("pause is built");
    let needs = podling_integration::images::debian::elf::needs(&program);
    assert_eq!(needs, Some(Default::default()));
    // e_type: ET_EXEC is 2, a position-independent program would be 3.
    assert_eq!(program[0x10], 2);
}
