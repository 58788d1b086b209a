//! The daemon's own needs: rights, room, time, and a place of its own.

use super::super::facts::Facts;
use super::super::finding::Finding;

/// Capabilities that a node needs, by their numbers, and whether it runs without.
const CAPABILITIES: [(u64, &str, bool); 8] = [
    (0, "CAP_CHOWN", true),
    (1, "CAP_DAC_OVERRIDE", true),
    (5, "CAP_KILL", true),
    (7, "CAP_SETUID", true),
    (12, "CAP_NET_ADMIN", true),
    (21, "CAP_SYS_ADMIN", true),
    (19, "CAP_SYS_PTRACE", true),
    (24, "CAP_SYS_RESOURCE", false),
];
/// Fewer files than this are too few for many pods.
const LEAST_FILES: u64 = 65_536;
/// Less room than this lets images fail soon.
const LEAST_FREE: u64 = 5 << 30;
/// Below so many hundredths the kubelet's defaults evict pods.
const LEAST_PERCENT: u64 = 10;
/// The first second of 2025: an earlier clock was never set.
const CLOCK_WAS_SET: i64 = 1_735_689_600;

pub(super) fn verdict(facts: &Facts) -> Vec<Finding> {
    vec![
        rights(facts),
        open_files(facts),
        disk(facts),
        clock(facts),
        other_runtimes(facts),
        configuration(facts),
        programs(facts),
    ]
}

fn rights(facts: &Facts) -> Finding {
    let check = "rights";
    if !facts.process.is_root {
        return Finding::missing(check, "not root", "run podling as root");
    }
    let lacking = CAPABILITIES
        .iter()
        .filter(|(bit, _, _)| facts.process.capabilities >> bit & 1 == 0);
    let (needed, wanted): (Vec<_>, Vec<_>) = lacking.partition(|(_, _, is_needed)| *is_needed);
    let names = |all: &[&(u64, &str, bool)]| -> String {
        let names: Vec<_> = all.iter().map(|(_, name, _)| *name).collect();
        names.join(", ")
    };
    if !needed.is_empty() {
        return Finding::missing(
            check,
            format!("without {}", names(&needed)),
            "run with these capabilities",
        );
    }
    match wanted.is_empty() {
        true => Finding::ok(check, "root with every capability that is needed"),
        false => Finding::limited(
            check,
            format!("root without {}", names(&wanted)),
            "limits cannot be raised, and nothing can be protected from the OOM killer, without CAP_SYS_RESOURCE",
        ),
    }
}

fn open_files(facts: &Facts) -> Finding {
    let (check, found) = ("limits open files", facts.process.open_files.to_string());
    match facts.process.open_files >= LEAST_FILES {
        true => Finding::ok(check, found),
        false => Finding::limited(
            check,
            found,
            "ulimit -n 1048576 before podling; its systemd unit sets LimitNOFILE",
        ),
    }
}

fn disk(facts: &Facts) -> Finding {
    let (check, disk) = ("disk", &facts.disk);
    let percent = |part: u64, all: u64| (u128::from(part) * 100 / u128::from(all.max(1))) as u64;
    let free = percent(disk.free, disk.size);
    let found = format!(
        "{}: {}, {} MiB free of {} ({free} %)",
        disk.path.display(),
        disk.kind,
        disk.free >> 20,
        disk.size >> 20
    );
    let has_inodes = disk.inodes == 0 || percent(disk.free_inodes, disk.inodes) >= 5;
    if !has_inodes {
        return Finding::limited(
            check,
            format!("{found}, hardly an inode"),
            "remove small files, or use a larger disk",
        );
    }
    match disk.free >= LEAST_FREE && free >= LEAST_PERCENT {
        true => Finding::ok(check, found),
        false => Finding::limited(
            check,
            found,
            "free some room, or use a larger disk: images need it",
        ),
    }
}

fn clock(facts: &Facts) -> Finding {
    match facts.now >= CLOCK_WAS_SET {
        true => Finding::ok("clock", "set"),
        false => Finding::limited(
            "clock",
            "before the year 2025",
            "set it (timedatectl, chrony): certificates of registries are not valid yet",
        ),
    }
}

fn other_runtimes(facts: &Facts) -> Finding {
    let check = "other runtimes";
    let paths: Vec<_> = facts
        .other_runtimes
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    match paths.is_empty() {
        true => Finding::ok(check, "none answers"),
        false => Finding::limited(
            check,
            paths.join(", "),
            "they share /etc/cni/net.d and /var/log/pods with podling: run one of them with a kubelet, \
             or give podling a --root",
        ),
    }
}

fn configuration(facts: &Facts) -> Finding {
    match &facts.configuration {
        Ok(()) => Finding::ok("configuration", "can be used"),
        Err(problems) => {
            Finding::missing("configuration", problems.replace('\n', "; "), "correct it")
        }
    }
}

fn programs(facts: &Facts) -> Finding {
    let check = "programs";
    let missing = facts
        .missing_programs
        .iter()
        .map(|path| path.display().to_string());
    let missing: Vec<_> = missing.collect();
    match missing.is_empty() {
        true => Finding::ok(check, "all beside the command"),
        false => Finding::missing(
            check,
            missing.join(", "),
            "install them beside podling (make install)",
        ),
    }
}
