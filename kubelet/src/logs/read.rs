//! Reads a log to its end, and on from there while its container lives.
//!
//! A rotation renames the file and makes the runtime open a new one. What the old one still gets
//! in between is read before the new one is begun, so no line is lost and none comes twice.

use std::io::{self, SeekFrom};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::mpsc;

use super::LogOptions;
use super::chain::{BLOCK, Chain, Source};

/// How often a log that is followed is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// Where the log goes; when nobody takes it any more, reading ends.
type Chunks = mpsc::Sender<io::Result<Bytes>>;

/// Why reading ended early: nobody listens, or the limit is reached.
struct Enough;

/// Sends what is asked for of the log. `has_ended` says whether its container will write no more.
pub(crate) async fn send(
    path: &Path,
    options: LogOptions,
    has_ended: impl Fn() -> bool + Send,
    chunks: Chunks,
) {
    let listener = chunks.clone();
    if let Err(error) = read(path, options, has_ended, chunks).await {
        // Without a listener there is nobody to tell.
        let _ = listener.send(Err(error)).await;
    }
}

async fn read(
    path: &Path,
    options: LogOptions,
    has_ended: impl Fn() -> bool + Send,
    chunks: Chunks,
) -> io::Result<()> {
    let (mut chain, mut source) = Chain::open(path).await?;
    if let (Some(lines), Source::Plain(file)) = (options.tail_lines, &mut source) {
        let start = tail(file, lines).await?;
        file.seek(SeekFrom::Start(start)).await?;
    }
    let follow = options.follow;
    let mut output = Output::new(options, chunks);
    let mut last_look = false;
    loop {
        if output.copy(&mut source).await?.is_err() {
            return Ok(());
        }
        if !follow {
            output.finish().await;
            return Ok(());
        }
        if let Some(next) = chain.next()? {
            // The old one is written until the new one is there.
            if output.copy(&mut source).await?.is_err() {
                return Ok(());
            }
            source = next;
            continue;
        }
        if last_look {
            output.finish().await;
            return Ok(());
        }
        // What was written before the end was noticed is read once more.
        last_look = has_ended();
        if !last_look && output.pause().await.is_err() {
            return Ok(());
        }
    }
}

/// Where the last `lines` lines begin.
async fn tail(file: &mut File, lines: u64) -> io::Result<u64> {
    let mut start = file.metadata().await?.len();
    if lines == 0 {
        return Ok(start);
    }
    let length = start;
    let mut seen = 0;
    while start > 0 {
        let size = start.min(BLOCK as u64);
        start -= size;
        let mut block = vec![0; usize::try_from(size).expect("a block is small")];
        file.seek(SeekFrom::Start(start)).await?;
        file.read_exact(&mut block).await?;
        for (offset, _) in block
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, byte)| **byte == b'\n')
        {
            let end_of_line = start + offset as u64 + 1;
            // The end of the last line begins no other.
            if end_of_line == length {
                continue;
            }
            seen += 1;
            if seen == lines {
                return Ok(end_of_line);
            }
        }
    }
    Ok(0)
}

/// Lines on their way out.
struct Output {
    options: LogOptions,
    chunks: Chunks,
    /// The start of a line whose end is not written yet.
    begun: Vec<u8>,
    /// How many bytes may still be sent.
    left: u64,
}

impl Output {
    fn new(options: LogOptions, chunks: Chunks) -> Self {
        let left = options.limit_bytes.unwrap_or(u64::MAX);
        Self {
            options,
            chunks,
            begun: Vec::new(),
            left,
        }
    }

    /// Everything up to the end of the file.
    async fn copy(&mut self, source: &mut Source) -> io::Result<Result<(), Enough>> {
        loop {
            let block = source.read().await?;
            if block.is_empty() {
                return Ok(Ok(()));
            }
            self.begun.extend_from_slice(&block);
            if self.send_lines().await.is_err() {
                return Ok(Err(Enough));
            }
        }
    }

    async fn send_lines(&mut self) -> Result<(), Enough> {
        let Some(end) = self.begun.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(());
        };
        let rest = self.begun.split_off(end + 1);
        let lines = std::mem::replace(&mut self.begun, rest);
        let mut out = Vec::with_capacity(lines.len());
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.options.push(line, &mut out);
        }
        self.emit(out).await
    }

    async fn emit(&mut self, mut out: Vec<u8>) -> Result<(), Enough> {
        out.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= out.len() as u64;
        if !out.is_empty() {
            self.chunks.send(Ok(out.into())).await.map_err(|_| Enough)?;
        }
        if self.left == 0 { Err(Enough) } else { Ok(()) }
    }

    /// What stands after the last line's end was cut off by a crash; it is shown all the same.
    async fn finish(&mut self) {
        let mut out = Vec::new();
        self.options
            .push(&std::mem::take(&mut self.begun), &mut out);
        // Whoever stopped listening does not miss it.
        let _ = self.emit(out).await;
    }

    async fn pause(&self) -> Result<(), Enough> {
        tokio::select! {
            () = self.chunks.closed() => Err(Enough),
            () = tokio::time::sleep(PAUSE) => Ok(()),
        }
    }
}
