//! Making a cgroup of the unified hierarchy (v2).
//!
//! A controller works in a directory only if every directory above enables it. cgroups-rs writes
//! all of them anew each time and drops the errors; here the directory is made first, and only if
//! it then lacks controllers are they enabled from the top. What is above a scope is systemd's, which
//! hands the scope every controller that it knows: there, they are enabled from the scope on,
//! but for the one that systemd does not know.

use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use super::{CgroupError, CgroupPath, driver};

/// What containers are limited and measured by.
const WANTED: [&str; 6] = ["cpu", "cpuset", "hugetlb", "io", "memory", "pids"];

/// Those without which a container is not to run.
const NEEDED: [&str; 3] = ["cpu", "memory", "pids"];

/// Makes the directory of `path` below `root`, its controllers enabled.
pub(super) fn create(root: &Path, path: &CgroupPath) -> Result<(), CgroupError> {
    let failed = |source: io::Error| CgroupError::Create {
        path: path.clone(),
        source: source.into(),
    };
    let leaf = root.join(path.relative());
    let names: Vec<&str> = path.relative().split('/').collect();
    let (theirs, ours) = names.split_at(driver::owned_by_systemd(path.relative()));
    let available = controllers(root, "cgroup.controllers").map_err(failed)?;
    let wanted: Vec<&str> = WANTED
        .into_iter()
        .filter(|name| available.iter().any(|known| known == name))
        .collect();
    match make(&leaf) {
        Ok(()) if has_all(&leaf, &wanted).map_err(failed)? => return Ok(()),
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let mut directory = root.to_owned();
    for word in theirs {
        // Limits of huge pages are systemd's no more than anybody's: it does not know the controller.
        enable(&directory, &unknown_to_systemd(&wanted))?;
        directory.push(word);
    }
    if !theirs.is_empty() {
        let present = controllers(&directory, "cgroup.controllers").map_err(failed)?;
        check_delegation(&directory, &present)?;
    }
    for word in ours {
        enable(&directory, &wanted)?;
        directory.push(word);
        make(&directory).map_err(failed)?;
    }
    Ok(())
}

/// Makes a directory, and moves a process into it.
pub(super) fn house(directory: &Path, pid: u32) -> io::Result<()> {
    make(directory)?;
    write(&directory.join("cgroup.procs"), &pid.to_string())
}

fn unknown_to_systemd<'a>(wanted: &[&'a str]) -> Vec<&'a str> {
    let unknown = wanted.iter().copied().filter(|name| *name == "hugetlb");
    unknown.collect()
}

/// Without these, limits would be lost without a word.
fn check_delegation(directory: &Path, present: &[String]) -> Result<(), CgroupError> {
    let is_there = |name: &&str| present.iter().any(|one| one == *name);
    let lacking: Vec<&str> = NEEDED.into_iter().filter(|name| !is_there(name)).collect();
    match lacking.is_empty() {
        true => Ok(()),
        false => Err(CgroupError::NotDelegated {
            directory: directory.to_owned(),
            controllers: lacking.join(", "),
        }),
    }
}

/// Writes files of controllers by name; a value of several lines takes several writes.
pub(super) fn write_keys(
    directory: &Path,
    keys: &HashMap<String, String>,
) -> Result<(), CgroupError> {
    for (key, value) in keys {
        let file = directory.join(key);
        for line in value.lines() {
            write(&file, line).map_err(|source| CgroupError::Key {
                file: file.clone(),
                value: line.to_owned(),
                source,
            })?;
        }
    }
    Ok(())
}

/// Enables what is missing for the directories below: all at once, or one by one if the kernel
/// refuses one of them.
fn enable(directory: &Path, wanted: &[&str]) -> Result<(), CgroupError> {
    let file = directory.join("cgroup.subtree_control");
    let fault = |controllers: String| {
        let (file, directory) = (file.clone(), directory.to_owned());
        move |source: io::Error| match source.kind() {
            ErrorKind::ResourceBusy => CgroupError::Occupied {
                directory,
                controllers,
            },
            _ => CgroupError::Key {
                file,
                value: controllers,
                source,
            },
        }
    };
    let enabled = controllers(directory, "cgroup.subtree_control").map_err(fault(String::new()))?;
    let missing: Vec<&str> = wanted
        .iter()
        .copied()
        .filter(|name| !enabled.iter().any(|on| on == name))
        .collect();
    let line = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("+{name}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    if missing.is_empty() || write(&file, &line(&missing)).is_ok() {
        return Ok(());
    }
    for name in missing {
        match write(&file, &line(&[name])) {
            Err(error) if NEEDED.contains(&name) => return Err(fault(line(&[name]))(error)),
            _ => {}
        }
    }
    Ok(())
}

fn has_all(directory: &Path, wanted: &[&str]) -> io::Result<bool> {
    let present = controllers(directory, "cgroup.controllers")?;
    Ok(wanted
        .iter()
        .all(|name| present.iter().any(|known| known == name)))
}

fn controllers(directory: &Path, file: &str) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(directory.join(file))?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

fn make(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .open(file)?
        .write_all(text.as_bytes())
}
