//! What the tests of pause and of its image share.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Far beyond what anything here takes; only a failure waits for it.
const DEADLINE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Waits for a state: looks until `look` sees something.
pub(crate) fn wait_for<T>(state: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(started.elapsed() < DEADLINE, "waited in vain for {state}");
        thread::sleep(BETWEEN_LOOKS);
    }
}

/// The pause program in the form that is released, built when it is not there yet.
pub(crate) fn pause_program() -> PathBuf {
    let build = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--release",
            "--package",
            "pause",
            "--message-format",
            "json",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .expect("run cargo");
    assert!(build.status.success(), "cargo cannot build pause");
    let messages = serde_json::Deserializer::from_slice(&build.stdout);
    let executables = messages
        .into_iter::<serde_json::Value>()
        .filter_map(|message| {
            message.expect("cargo writes JSON")["executable"]
                .as_str()
                .map(PathBuf::from)
        });
    executables.last().expect("cargo names the executable")
}

/// The children of a process, zombies too.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("read /proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| parent_of(pid) == Some(parent)).collect()
}

/// The parent of a process; `None` when the process is gone.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, so start after its closing parenthesis: state, parent, ...
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}
