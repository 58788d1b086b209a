//! User namespaces: making one, and giving it its ids.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::process::{self, Clone3, Forked, clone3, exit_now};
use crate::model::config::UserNamespace;

/// A new user namespace with these ids, alive as long as the descriptor.
///
/// May be called by a process of many threads: the forked one only waits and ends.
pub fn create(ids: &UserNamespace) -> io::Result<OwnedFd> {
    let (waiting, release) = pipe_with(PipeFlags::CLOEXEC)?;
    let request = Clone3 {
        namespaces: libc::CLONE_NEWUSER as u64,
        ..Clone3::default()
    };
    match clone3(request)? {
        Forked::Child => {
            drop(release);
            let _ = rustix::io::read(&waiting, &mut [0; 1]);
            exit_now(0)
        }
        Forked::Parent(child) => {
            drop(waiting);
            let proc = File::open("/proc")?;
            let made = map(proc.as_fd(), child.pid, ids)
                .and_then(|()| File::open(format!("/proc/{}/ns/user", child.pid)));
            drop(release);
            process::wait_for(child);
            Ok(made?.into())
        }
    }
}

/// Writes the ids of the namespace that the process `pid` was just born with.
pub fn map(proc: BorrowedFd<'_>, pid: i32, ids: &UserNamespace) -> io::Result<()> {
    for (file, first) in [("uid_map", ids.uid), ("gid_map", ids.gid)] {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat(proc, format!("{pid}/{file}"), flags, Mode::empty())?;
        let line = format!("0 {first} {}\n", ids.length);
        // The kernel takes the whole map in one write.
        File::from(file).write_all(line.as_bytes())?;
    }
    Ok(())
}

/// A copy of this process's mounts that belongs to `user_namespace`: whoever is root there may
/// change them.
///
/// Only for processes of one thread.
pub fn copy_mounts_into(user_namespace: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let (mut done, report) = pipe_with(PipeFlags::CLOEXEC).map(|(r, w)| (File::from(r), w))?;
    let (waiting, release) = pipe_with(PipeFlags::CLOEXEC)?;
    match clone3(Clone3::default())? {
        Forked::Child => {
            drop(release);
            let copied = move_into_link_name_space(user_namespace, Some(LinkNameSpaceType::User))
                .map_err(io::Error::from)
                .and_then(|()| super::mount::copy_mounts());
            let mut report = File::from(report);
            let text = copied.err().map(|error| error.to_string());
            let _ = report.write_all(text.unwrap_or_default().as_bytes());
            drop(report);
            let _ = rustix::io::read(&waiting, &mut [0; 1]);
            exit_now(0)
        }
        Forked::Parent(child) => {
            drop((report, waiting));
            let mut complaint = String::new();
            let namespace = done.read_to_string(&mut complaint).and_then(|_| {
                let path = format!("/proc/{}/ns/mnt", child.pid);
                File::open(path).map(OwnedFd::from)
            });
            drop(release);
            process::wait_for(child);
            match complaint.is_empty() {
                true => namespace,
                false => Err(io::Error::other(complaint)),
            }
        }
    }
}
