//! Reads the kernel's messages as they come.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::parse::{Parser, Victim};
use crate::model::{Event, EventKind};
use crate::sync::EventRecorder;

const KMSG: &str = "/dev/kmsg";
/// The kernel's records are not longer.
const RECORD: usize = 8 * 1024;

/// Tells of processes that the kernel has killed for want of memory.
pub struct OomWatcher {
    events: Arc<dyn EventRecorder>,
    node_name: String,
}

impl OomWatcher {
    /// A watcher that has heard nothing.
    pub fn new(events: Arc<dyn EventRecorder>, node_name: &str) -> Self {
        Self {
            events,
            node_name: node_name.to_owned(),
        }
    }

    /// Listens until `shutdown`. Where the kernel's messages cannot be read, nothing is told.
    pub async fn run(self, shutdown: CancellationToken) {
        if let Err(error) = self.listen(&shutdown).await {
            warn!(%error, "cannot read the kernel's messages: kills for want of memory are not told");
        }
        shutdown.cancelled().await;
    }

    async fn listen(&self, shutdown: &CancellationToken) -> io::Result<()> {
        let messages = open(Path::new(KMSG))?;
        let (stop, stopper) = pipe_with(PipeFlags::CLOEXEC)?;
        let (sender, mut victims) = mpsc::unbounded_channel();
        let work = spawn_blocking(move || follow(messages, &stop, &sender));
        loop {
            // What is not taken stays in the channel.
            tokio::select! {
                () = shutdown.cancelled() => break,
                victim = victims.recv() => match victim {
                    Some(victim) => self.tell(&victim),
                    None => break,
                },
            }
        }
        // Who waits for messages sees that the pipe has no other end any more.
        drop(stopper);
        work.await.expect("reading messages does not panic")
    }

    fn tell(&self, Victim { process, pid }: &Victim) {
        let message = format!("System OOM encountered, victim process: {process}, pid: {pid}");
        let event = Event::of_node(&self.node_name, EventKind::Warning, "SystemOOM", message);
        self.events.record(event);
    }
}

/// Reads messages until `stop` is closed at its other end.
fn follow(
    mut messages: File,
    stop: &OwnedFd,
    victims: &mpsc::UnboundedSender<Victim>,
) -> io::Result<()> {
    let mut parser = Parser::default();
    let mut record = vec![0; RECORD];
    loop {
        match messages.read(&mut record) {
            // The kernel's have no end: something else stands in their place.
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                let record = String::from_utf8_lossy(&record[..length]);
                let victim = parser.take(&record);
                if victim.is_some_and(|victim| victims.send(victim).is_err()) {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if is_stopped(&messages, stop)? {
                    return Ok(());
                }
            }
            // What was written over before it was read is passed over.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits until there is something to do; whether that is to stop.
fn is_stopped(messages: &File, stop: &OwnedFd) -> io::Result<bool> {
    let mut fds = [
        PollFd::new(messages, PollFlags::IN),
        PollFd::new(stop, PollFlags::IN),
    ];
    match poll(&mut fds, None) {
        Ok(_) | Err(Errno::INTR) => Ok(!fds[1].revents().is_empty()),
        Err(error) => Err(error.into()),
    }
}

/// The messages from now on.
fn open(path: &Path) -> io::Result<File> {
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("flags are an int");
    let mut file = File::options()
        .read(true)
        .custom_flags(nonblock)
        .open(path)?;
    match file.seek(SeekFrom::End(0)) {
        // A terminal or a pipe, which some put in its place, has no messages of the past.
        Err(error) if error.kind() != io::ErrorKind::NotSeekable => Err(error),
        _ => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_come_to_an_end_are_not_asked_for_again_and_again() {
        let (stop, _stopper) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let (sender, _victims) = mpsc::unbounded_channel();
        let messages = open(Path::new("/dev/null")).unwrap();
        let error = follow(messages, &stop, &sender).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
