//! Reading: the files of a cgroup in one go, each controller's directory opened once.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::parse::{self, Presence, Texts};
use super::usage::{ProcessCounts, Usage};
use super::{Network, clock, processes};
use crate::cgroup::{CgroupPath, Cgroups, Controller};

/// Reads cgroups of this machine.
#[derive(Debug)]
pub(super) struct Reader {
    cgroups: Cgroups,
    files: Vec<parse::File>,
}

impl Reader {
    pub(super) fn new(cgroups: Cgroups) -> Self {
        let files = parse::files(cgroups.mode(), &page_sizes());
        Self { cgroups, files }
    }

    /// What a cgroup uses; `None` when it is not there (any more).
    pub(super) fn cgroup(&self, path: &CgroupPath) -> Option<Usage> {
        let at = clock::now();
        let mut texts = Texts::default();
        let mut open: Option<(Controller, Option<OwnedFd>)> = None;
        for file in &self.files {
            let is_open = open.as_ref().is_some_and(|(at, _)| *at == file.controller);
            if !is_open {
                open = Some((file.controller, self.open(file.controller, path)?));
            }
            let Some((_, Some(directory))) = &open else {
                continue;
            };
            match text(directory, &file.name) {
                Some(text) => texts.insert(file.name.clone(), text),
                None if file.presence == Presence::Always => return None,
                None => {}
            }
        }
        Some(parse::usage(self.cgroups.mode(), &texts, at))
    }

    /// What each process of a cgroup has open; `first` is the one whose limits count.
    pub(super) fn processes(&self, path: &CgroupPath, first: Option<i32>) -> Option<ProcessCounts> {
        let pids = self.cgroups.pids(path).ok()?;
        Some(processes::count(&pids, first))
    }

    /// The directory of a controller: `None` is a cgroup that is gone, `Some(None)` a machine
    /// without the controller.
    fn open(&self, controller: Controller, path: &CgroupPath) -> Option<Option<OwnedFd>> {
        let Some(directory) = self.cgroups.directory(controller, path) else {
            return Some(None);
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(&directory, flags, Mode::empty())
            .ok()
            .map(Some)
    }
}

/// What a small file says; `None` when it is not there, or its cgroup is about to go.
fn text(directory: &OwnedFd, name: &str) -> Option<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = loop {
        match openat(directory, name, flags, Mode::empty()) {
            Ok(file) => break file,
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    };
    let mut text = String::new();
    File::from(file).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The interfaces of the network namespace that this process is in.
pub(super) fn network(pid: i32) -> Option<Network> {
    let at = clock::now();
    let text = fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?;
    Some(Network {
        at,
        interfaces: parse::interfaces(&text),
    })
}

/// The sizes of huge pages, as cgroups write them.
fn page_sizes() -> Vec<String> {
    let entries = fs::read_dir("/sys/kernel/mm/hugepages");
    let names = entries.into_iter().flatten().flatten();
    names
        .filter_map(|entry| page_size(entry.file_name().to_str()?))
        .collect()
}

/// `hugepages-2048kB` is `2MB`.
fn page_size(name: &str) -> Option<String> {
    let kilobytes = name.strip_prefix("hugepages-")?.strip_suffix("kB")?;
    let kilobytes: u64 = kilobytes.parse().ok()?;
    Some(match kilobytes {
        ..1024 => format!("{kilobytes}KB"),
        1024..0x10_0000 => format!("{}MB", kilobytes >> 10),
        _ => format!("{}GB", kilobytes >> 20),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_sizes_are_named_as_cgroups_name_them() {
        for (name, expected) in [
            ("hugepages-64kB", Some("64KB")),
            ("hugepages-2048kB", Some("2MB")),
            ("hugepages-1048576kB", Some("1GB")),
            ("hugepages", None),
        ] {
            assert_eq!(page_size(name).as_deref(), expected, "{name}");
        }
    }
}
