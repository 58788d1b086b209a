//! The files of one log, in the order in which they were written, however often it is rotated.
//!
//! Who reads slowly may find his file set aside, packed or gone, and more files between it and the
//! one that is written now. A file is known by its inode, and once it is packed by its first line:
//! its time is exact to the nanosecond.

use std::fs::File as Blocking;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use crate::rotate::names::{PACKED, is_rotated, plain};

/// What is read at a time.
pub(super) const BLOCK: usize = 64 * 1024;
/// As much of a first line as tells files apart.
const FIRST_LINE: usize = 256;
/// How often a file that was packed between its name and its opening is looked for again.
const TRIES: usize = 8;

/// A file of the log.
pub(super) enum Source {
    /// As it was written.
    Plain(File),
    /// Packed; its lines come as they are unpacked.
    Packed(mpsc::Receiver<io::Result<Vec<u8>>>),
}

impl Source {
    /// More of it; nothing at its end, which may not be the end for good.
    pub(super) async fn read(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(file) => {
                let mut block = vec![0; BLOCK];
                let length = file.read(&mut block).await?;
                block.truncate(length);
                Ok(block)
            }
            Self::Packed(blocks) => blocks.recv().await.unwrap_or(Ok(Vec::new())),
        }
    }
}

/// How to tell a file from the others.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    inode: (u64, u64),
    first_line: Vec<u8>,
}

/// Where in a log one is.
pub(super) struct Chain {
    /// The file that is written.
    log: PathBuf,
    /// The name of the last file that comes before the open one.
    before: Option<String>,
    /// The open file as it was opened; asked for its first line when it is needed.
    open: Opened,
}

enum Opened {
    Plain(Blocking),
    /// A packed one, by the name it had before.
    Packed(String),
}

impl Chain {
    /// Opens the file that is written now, or the newest one while it is being set aside.
    pub(super) async fn open(log: &Path) -> io::Result<(Self, Source)> {
        for _ in 0..TRIES {
            let rotated = rotated(log)?;
            let (path, before) = match rotated.last() {
                _ if log.exists() => (log.to_owned(), rotated.last()),
                None => (log.to_owned(), None),
                Some(newest) => (log.with_file_name(newest), rotated.iter().nth_back(1)),
            };
            if path.extension().is_some_and(|end| end == &PACKED[1..]) {
                break;
            }
            match Blocking::open(&path) {
                Ok(file) => return Self::at(log, before.cloned(), file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let file = Blocking::open(log)?;
        Self::at(log, None, file)
    }

    fn at(log: &Path, before: Option<String>, file: Blocking) -> io::Result<(Self, Source)> {
        let reader = Source::Plain(File::from_std(file.try_clone()?));
        let chain = Self {
            log: log.to_owned(),
            before: before.map(|name| plain(&name).to_owned()),
            open: Opened::Plain(file),
        };
        Ok((chain, reader))
    }

    /// The file after the open one; nothing while the open one is the one that is written.
    pub(super) fn next(&mut self) -> io::Result<Option<Source>> {
        for _ in 0..TRIES {
            match self.try_next() {
                // It was packed, or set aside, while it was looked for.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                next => return next,
            }
        }
        Ok(None)
    }

    fn try_next(&mut self) -> io::Result<Option<Source>> {
        // Looked at before the others, or a rotation in between would be passed over.
        let at_path = match Blocking::open(&self.log) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let (Opened::Plain(open), Some(at_path)) = (&self.open, &at_path)
            && inode(open)? == inode(at_path)?
        {
            return Ok(None);
        }
        let mut later = rotated(&self.log)?;
        later.retain(|name| {
            self.before
                .as_deref()
                .is_none_or(|before| plain(name) > before)
        });
        let own = self.find_own(&later)?;
        // Without the own one, which has gone, all of them are later.
        let following = own.map_or(0, |own| own + 1);
        if let Some(own) = own {
            self.before = Some(plain(&later[own]).to_owned());
        }
        if let Some(name) = later.get(following) {
            return self.enter(name.clone()).map(Some);
        }
        let Some(file) = at_path else {
            return Ok(None);
        };
        if let Some(last) = later.last() {
            self.before = Some(plain(last).to_owned());
        }
        let reader = Source::Plain(File::from_std(file.try_clone()?));
        self.open = Opened::Plain(file);
        Ok(Some(reader))
    }

    /// Opens one that was set aside.
    fn enter(&mut self, name: String) -> io::Result<Source> {
        let file = Blocking::open(self.log.with_file_name(&name))?;
        if !name.ends_with(PACKED) {
            let reader = Source::Plain(File::from_std(file.try_clone()?));
            self.open = Opened::Plain(file);
            return Ok(reader);
        }
        self.open = Opened::Packed(plain(&name).to_owned());
        let (blocks, unpacked) = mpsc::channel(1);
        // Ends with the file, or when nobody takes its blocks any more.
        tokio::task::spawn_blocking(move || unpack(file, &blocks));
        Ok(Source::Packed(unpacked))
    }

    /// Which of these is the open one.
    fn find_own(&self, names: &[String]) -> io::Result<Option<usize>> {
        let open = match &self.open {
            Opened::Packed(own) => return Ok(names.iter().position(|name| plain(name) == own)),
            Opened::Plain(file) => Mark::of(file)?,
        };
        for (index, name) in names.iter().enumerate() {
            let file = Blocking::open(self.log.with_file_name(name))?;
            let is_own = if name.ends_with(PACKED) {
                !open.first_line.is_empty()
                    && first_line(MultiGzDecoder::new(file))? == open.first_line
            } else {
                inode(&file)? == open.inode
            };
            if is_own {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }
}

impl Mark {
    fn of(file: &Blocking) -> io::Result<Self> {
        Ok(Self {
            inode: inode(file)?,
            first_line: first_line(FromStart { file, at: 0 })?,
        })
    }
}

/// Reads a file from its start, and leaves its place alone, which its reader shares.
struct FromStart<'a> {
    file: &'a Blocking,
    at: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

fn first_line(file: impl Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    file.take(FIRST_LINE as u64).read_to_end(&mut line)?;
    if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
        line.truncate(end + 1);
    }
    Ok(line)
}

fn inode(file: &Blocking) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

/// The names of what was set aside, oldest first, each once: packed if it is, else plain.
fn rotated(log: &Path) -> io::Result<Vec<String>> {
    let name = log.file_name().unwrap_or_default().to_string_lossy();
    let directory = log.parent().unwrap_or(Path::new("/"));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?.file_name().to_string_lossy().into_owned();
        if is_rotated(&entry, &name) {
            names.push(entry);
        }
    }
    // The packed one of two with one name sorts last, and stays.
    names.sort_unstable();
    names.dedup_by(|later, kept| {
        let is_same = plain(later) == plain(kept);
        if is_same {
            std::mem::swap(later, kept);
        }
        is_same
    });
    Ok(names)
}

fn unpack(file: Blocking, blocks: &mpsc::Sender<io::Result<Vec<u8>>>) {
    let mut unpacked = MultiGzDecoder::new(file);
    loop {
        let mut block = vec![0; BLOCK];
        let read = unpacked.read(&mut block).map(|length| {
            block.truncate(length);
            block
        });
        let is_end = matches!(&read, Ok(block) if block.is_empty());
        let has_failed = read.is_err();
        if is_end || blocks.blocking_send(read).is_err() || has_failed {
            return;
        }
    }
}
