//! Reads a tar archive entry by entry, in bounded memory.
//!
//! The `tar` crate decodes the header fields. Its own iterator reads extended headers of any size
//! into memory, and a few kilobytes of compressed zeros could claim gigabytes there; this one has
//! limits. Old, ustar, GNU and pax archives are read.

use std::io::{self, Read};

use tar::{EntryType, Header};

use super::error::UnpackError;
use super::limits::Limits;
use super::pax::{Extensions, Time};

const BLOCK: usize = 512;

/// One entry; its content is read from the archive before the next one.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The name, as it stands in the archive.
    pub(crate) name: Vec<u8>,
    /// What it is.
    pub(crate) content: Content,
    /// Permission bits, with setuid, setgid and sticky.
    pub(super) mode: u32,
    /// Owner.
    pub(super) uid: u32,
    /// Group.
    pub(super) gid: u32,
    /// Modification time.
    pub(super) mtime: Time,
    /// Extended attributes, unfiltered.
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What an entry is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A regular file of so many bytes.
    File(u64),
    /// A directory.
    Directory,
    /// A symbolic link with this target.
    Symlink(Vec<u8>),
    /// Another name of an earlier entry.
    HardLink(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A character device, by major and minor.
    CharacterDevice(u32, u32),
    /// A block device, by major and minor.
    BlockDevice(u32, u32),
}

/// An archive being read.
pub(crate) struct Archive<R> {
    source: R,
    limits: Limits,
    entries: u64,
    /// Bytes of the current entry's content and padding that were not read yet.
    unread: u64,
    padding: u64,
}

impl<R: Read> Archive<R> {
    /// Starts to read.
    pub(crate) fn new(source: R, limits: Limits) -> Self {
        Self {
            source,
            limits,
            entries: 0,
            unread: 0,
            padding: 0,
        }
    }

    /// What is left of the stream, for what follows the archive's end.
    pub(super) fn into_source(self) -> R {
        self.source
    }

    /// The next entry; what was left of the one before is skipped.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, UnpackError> {
        let mut extensions = Extensions::default();
        let mut extended = 0;
        while let Some(header) = self.next_header()? {
            let size = number(header.entry_size(), &header.as_old().size)?;
            match header.entry_type() {
                EntryType::XGlobalHeader => drop(self.read_extended(size, &mut extended)?),
                EntryType::XHeader => extensions.read(&self.read_extended(size, &mut extended)?)?,
                EntryType::GNULongName => {
                    extensions.path = Some(until_nul(self.read_extended(size, &mut extended)?));
                }
                EntryType::GNULongLink => {
                    extensions.link = Some(until_nul(self.read_extended(size, &mut extended)?));
                }
                _ => return self.entry(&header, size, extensions).map(Some),
            }
        }
        Ok(None)
    }

    /// The stream; right after a file's entry it stands at its content.
    pub(crate) fn source(&self) -> &R {
        &self.source
    }

    /// Skips the content of the current file in a way that the stream knows: `skip` is given a number
    /// of bytes and answers how many there were.
    pub(crate) fn skip_content(
        &mut self,
        skip: impl FnOnce(&mut R, u64) -> u64,
    ) -> Result<(), UnpackError> {
        let left = self.unread + self.padding;
        let skipped = skip(&mut self.source, left);
        (self.unread, self.padding) = (0, 0);
        if skipped == left {
            Ok(())
        } else {
            Err(TRUNCATED)
        }
    }

    /// Reads the content of the current file.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, UnpackError> {
        let wanted = usize::try_from(self.unread).map_or(buffer.len(), |n| n.min(buffer.len()));
        let got = loop {
            match self.source.read(&mut buffer[..wanted]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result.map_err(UnpackError::from_read)?,
            }
        };
        if got == 0 && wanted > 0 {
            return Err(TRUNCATED);
        }
        self.unread -= got as u64;
        Ok(got)
    }

    fn next_header(&mut self) -> Result<Option<Header>, UnpackError> {
        self.skip()?;
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        if !fill(&mut self.source, block)? || block.iter().all(|b| *b == 0) {
            return Ok(None);
        }
        check_sum(&header)?;
        Ok(Some(header))
    }

    fn skip(&mut self) -> Result<(), UnpackError> {
        let left = self.unread + self.padding;
        let skipped = io::copy(&mut (&mut self.source).take(left), &mut io::sink())
            .map_err(UnpackError::from_read)?;
        (self.unread, self.padding) = (0, 0);
        if skipped == left {
            Ok(())
        } else {
            Err(TRUNCATED)
        }
    }

    fn begin_content(&mut self, size: u64) {
        self.unread = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    fn read_extended(&mut self, size: u64, total: &mut u64) -> Result<Vec<u8>, UnpackError> {
        *total = total.saturating_add(size.max(BLOCK as u64));
        if *total > self.limits.header as u64 {
            let limit = self.limits.header as u64;
            return Err(UnpackError::TooLarge {
                limit,
                what: "bytes of extended headers",
            });
        }
        self.begin_content(size);
        let mut content = vec![0; usize::try_from(size).expect("it is below the limit")];
        let mut at = 0;
        while at < content.len() {
            at += self.read(&mut content[at..])?;
        }
        Ok(content)
    }

    fn entry(
        &mut self,
        header: &Header,
        size: u64,
        extensions: Extensions,
    ) -> Result<Entry, UnpackError> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(UnpackError::TooLarge {
                limit: self.limits.entries,
                what: "entries",
            });
        }
        let name = extensions
            .path
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let link = extensions
            .link
            .or_else(|| header.link_name_bytes().map(|l| l.into_owned()));
        let link = link.unwrap_or_default();
        if name.len().max(link.len()) > self.limits.path {
            let limit = self.limits.path as u64;
            return Err(UnpackError::TooLarge {
                limit,
                what: "bytes in a path",
            });
        }
        if extensions.sparse {
            return Err(unsupported(&name, "a sparse file"));
        }
        let size = extensions.size.unwrap_or(size);
        if size > self.limits.bytes {
            return Err(UnpackError::TooLarge {
                limit: self.limits.bytes,
                what: "bytes",
            });
        }
        let content = content(header, &name, link, size)?;
        match content {
            Content::File(size) => self.begin_content(size),
            _ => self.begin_content(0),
        }
        let mtime = match extensions.mtime {
            Some(mtime) => mtime,
            None => header_time(header)?,
        };
        Ok(Entry {
            content,
            mode: number(header.mode(), &header.as_old().mode)? & 0o7777,
            uid: id(extensions.uid, header.uid(), &header.as_old().uid)?,
            gid: id(extensions.gid, header.gid(), &header.as_old().gid)?,
            mtime,
            xattrs: extensions.xattrs,
            name,
        })
    }
}

const TRUNCATED: UnpackError = UnpackError::Malformed("it ends in the middle of an entry");
const BAD_FIELD: UnpackError = UnpackError::Malformed("a header with a field that is no number");

fn content(header: &Header, name: &[u8], link: Vec<u8>, size: u64) -> Result<Content, UnpackError> {
    let device = || -> Result<(u32, u32), UnpackError> {
        let part = |field: io::Result<Option<u32>>| field.map_err(|_| BAD_FIELD)?.ok_or(BAD_FIELD);
        Ok((part(header.device_major())?, part(header.device_minor())?))
    };
    Ok(match header.entry_type() {
        // Archives older than ustar mark a directory by the slash alone.
        EntryType::Regular if name.ends_with(b"/") => Content::Directory,
        EntryType::Regular | EntryType::Continuous => Content::File(size),
        EntryType::Directory => Content::Directory,
        EntryType::Symlink => Content::Symlink(link),
        EntryType::Link => Content::HardLink(link),
        EntryType::Fifo => Content::Fifo,
        EntryType::Char => device().map(|(major, minor)| Content::CharacterDevice(major, minor))?,
        EntryType::Block => device().map(|(major, minor)| Content::BlockDevice(major, minor))?,
        EntryType::GNUSparse => return Err(unsupported(name, "a sparse file")),
        _ => return Err(unsupported(name, "this type of entry")),
    })
}

fn unsupported(name: &[u8], what: &'static str) -> UnpackError {
    UnpackError::Unsupported {
        name: String::from_utf8_lossy(name).into_owned(),
        what,
    }
}

fn header_time(header: &Header) -> Result<Time, UnpackError> {
    let seconds = number(header.mtime(), &header.as_old().mtime)?;
    Ok(Time {
        seconds: i64::try_from(seconds).unwrap_or(0),
        nanoseconds: 0,
    })
}

/// An id the kernel can store; the largest one means "no change" to it.
fn id(extended: Option<u64>, field: io::Result<u64>, raw: &[u8]) -> Result<u32, UnpackError> {
    let id = match extended {
        Some(id) => id,
        None => number(field, raw)?,
    };
    match u32::try_from(id) {
        Ok(id) if id != u32::MAX => Ok(id),
        _ => Err(UnpackError::Malformed("an owner beyond 32 bits")),
    }
}

/// A decoded field; one that was left blank is 0, as every tar program reads it.
fn number<T: Default>(field: io::Result<T>, raw: &[u8]) -> Result<T, UnpackError> {
    match field {
        Ok(number) => Ok(number),
        Err(_) if raw.iter().all(|byte| matches!(byte, 0 | b' ')) => Ok(T::default()),
        Err(_) => Err(BAD_FIELD),
    }
}

fn until_nul(mut text: Vec<u8>) -> Vec<u8> {
    let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
    text.truncate(end);
    text
}

/// Fills the block; false when the stream ends before it.
fn fill(source: &mut impl Read, block: &mut [u8]) -> Result<bool, UnpackError> {
    let mut at = 0;
    while at < block.len() {
        match source.read(&mut block[at..]) {
            Ok(0) if at == 0 => return Ok(false),
            Ok(0) => return Err(TRUNCATED),
            Ok(got) => at += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(UnpackError::from_read(error)),
        }
    }
    Ok(true)
}

fn check_sum(header: &Header) -> Result<(), UnpackError> {
    let bytes = header.as_bytes();
    let byte_sum = |range: &[u8]| range.iter().map(|b| u32::from(*b)).sum::<u32>();
    // The checksum field itself counts as eight spaces.
    let sum = byte_sum(&bytes[..148]) + 8 * 32 + byte_sum(&bytes[156..]);
    match header.cksum() {
        Ok(named) if named == sum => Ok(()),
        _ => Err(UnpackError::Malformed("a header with a wrong checksum")),
    }
}
