//! A process whose input and output are not this one's: they come from and go to parts of it.

use std::io::{self, Read, Write};

use tokio::sync::mpsc;

use super::{ENDING, Ending, STDERR, STDIN, STDOUT};
use crate::kubelet::websocket::{Message, Receiver, Sender};

/// Blocks on their way between a process and a thread.
const QUEUE: usize = 16;

/// What a thread reads of a process, or a process of a thread.
#[derive(Debug)]
pub(crate) struct Outlet {
    blocks: mpsc::Receiver<Vec<u8>>,
    block: io::Cursor<Vec<u8>>,
}

/// What a thread writes for a process, or a process for a thread; its end is the end of it all.
#[derive(Debug)]
pub(crate) struct Inlet(mpsc::Sender<Vec<u8>>);

/// A pipe within this process.
pub(crate) fn pipe() -> (Inlet, Outlet) {
    let (sender, blocks) = mpsc::channel(QUEUE);
    let block = io::Cursor::default();
    (Inlet(sender), Outlet { blocks, block })
}

impl Read for Outlet {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.block.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            match self.blocks.blocking_recv() {
                Some(block) => self.block = io::Cursor::new(block),
                None => return Ok(0),
            }
        }
    }
}

impl Write for Inlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(bytes.to_vec());
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Passes on what comes from `input` and to `output` until the process has ended, and says how. Its
/// errors are for people.
pub(crate) async fn run(
    (mut sender, mut receiver): (Sender, Receiver),
    mut input: Option<Outlet>,
    output: Inlet,
) -> io::Result<Ending> {
    let mut ending = None;
    loop {
        let given = async {
            match &mut input {
                Some(input) => input.blocks.recv().await,
                None => std::future::pending().await,
            }
        };
        // Both sources keep what was not taken from them.
        tokio::select! {
            came = receiver.next() => match came? {
                None => return Ok(ending.unwrap_or(Ending::Unknown)),
                Some(Message::Ping(bytes)) => sender.pong(&bytes).await?,
                Some(Message::Data(ENDING, bytes)) => ending = Some(Ending::read(&bytes)),
                // Who reads no more still wants to know how it ends.
                Some(Message::Data(STDOUT, bytes)) => drop(output.0.send(bytes).await),
                Some(Message::Data(STDERR, bytes)) => io::stderr().write_all(&bytes)?,
                Some(Message::Data(..)) => {}
            },
            block = given => match block {
                // A process that has ended takes no more; what it has said is still to be read.
                Some(block) => drop(sender.send(STDIN, &block).await),
                None => {
                    input = None;
                    drop(sender.finish(STDIN).await);
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_carries_what_is_written_and_ends_with_its_writer() {
        let (mut inlet, mut outlet) = pipe();
        let writer = std::thread::spawn(move || {
            for _ in 0..100 {
                inlet.write_all(b"block").unwrap();
            }
        });
        let mut read = Vec::new();
        outlet.read_to_end(&mut read).unwrap();
        writer.join().unwrap();
        assert_eq!(read, b"block".repeat(100));
        let (mut inlet, outlet) = pipe();
        drop(outlet);
        assert!(inlet.write_all(b"x").is_err());
    }
}
