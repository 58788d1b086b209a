//! What containers print: from their pipes and terminals to their logs, and to who is attached.

use std::os::fd::BorrowedFd;

use super::log::{Lines, stamp};
use super::protocol::Stream;
use super::server::{Monitor, now};
use super::source::{Fate, Source};
use crate::model::ContainerId;

/// Bytes read at once; one read a turn, so that no container starves another.
const CHUNK: usize = 16 * 1024;
/// Bytes taken into lines at once: the shortest lines grow fiftyfold by their stamps.
const PART: usize = 1024;
/// How much of the log is written at once, about.
const BATCH: usize = 16 * 1024;
/// How many chunks are read at once of a container that has ended: as much as its pipe may hold.
const REST: usize = (1 << 20) / CHUNK;

impl Monitor {
    /// Reads one chunk.
    pub(super) fn on_output(
        &mut self,
        pipe: BorrowedFd<'_>,
        container: &ContainerId,
        stream: Stream,
        lines: &mut Lines,
    ) -> Fate {
        let mut chunk = [0; CHUNK];
        match rustix::io::read(pipe, &mut chunk) {
            Ok(count) if count > 0 => {
                self.log(container, lines, &chunk[..count]);
                self.copy_to_clients(container, stream, &chunk[..count]);
                Fate::Stays
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Fate::Stays,
            // A terminal whose last process is gone ends with EIO.
            Ok(_) | Err(_) => {
                self.end_stream(container, lines);
                Fate::Ends
            }
        }
    }

    /// Reads what a container's pipes hold, without waiting for more.
    pub(super) fn drain(&mut self, container: &ContainerId) {
        for key in self.output_keys(container) {
            for _ in 0..REST {
                if !self.has_input(key) {
                    break;
                }
                self.on_ready(key);
            }
        }
    }

    /// Ends a container's streams although something holds them open.
    pub(super) fn cut_streams(&mut self, container: &ContainerId) {
        for key in self.output_keys(container) {
            let Some(mut source) = self.sources.remove(&key) else {
                continue;
            };
            self.release(&source);
            if let Source::Output { lines, .. } = &mut source {
                self.end_stream(container, lines);
            }
        }
    }

    /// Forgets a container's streams, whatever they hold.
    pub(super) fn drop_streams(&mut self, container: &ContainerId) {
        for key in self.output_keys(container) {
            self.close(key);
        }
    }

    fn end_stream(&mut self, container: &ContainerId, lines: &mut Lines) {
        let mut out = Vec::new();
        lines.finish(&stamp(now()), &mut out);
        self.write_log(container, &out);
        if let Some(container) = self.containers.get_mut(container) {
            container.open_streams -= 1;
        }
        self.announce_if_drained(container);
    }

    fn log(&mut self, container: &ContainerId, lines: &mut Lines, chunk: &[u8]) {
        let stamp = stamp(now());
        let mut out = Vec::with_capacity(chunk.len() + 64);
        for part in chunk.chunks(PART) {
            lines.push(part, &stamp, &mut out);
            if out.len() >= BATCH {
                self.write_log(container, &out);
                out.clear();
            }
        }
        self.write_log(container, &out);
    }

    fn write_log(&mut self, container: &ContainerId, lines: &[u8]) {
        if let Some(container) = self.containers.get_mut(container) {
            container.log.write(lines);
        }
    }

    fn output_keys(&self, id: &ContainerId) -> Vec<u64> {
        let is_of =
            |source: &Source| matches!(source, Source::Output { container, .. } if container == id);
        self.sources
            .iter()
            .filter(|(_, source)| is_of(source))
            .map(|(key, _)| *key)
            .collect()
    }

    /// Whether a read behind `key` would return bytes or the end of the stream.
    fn has_input(&self, key: u64) -> bool {
        let Some(Source::Output { pipe, .. }) = self.sources.get(&key) else {
            return false;
        };
        let mut fds = [rustix::event::PollFd::new(
            pipe,
            rustix::event::PollFlags::IN,
        )];
        let now = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        matches!(rustix::event::poll(&mut fds, Some(&now)), Ok(ready) if ready > 0)
    }
}
