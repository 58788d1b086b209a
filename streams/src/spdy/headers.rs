//! Header blocks: pairs of names and values, as one zlib stream in each direction of a connection.

use bytes::{Buf, BufMut, BytesMut};
use flate2::{Decompress, FlushDecompress, Status};

use super::decode::DecodeError;
use super::dictionary::{DICTIONARY_ID, dictionary};

/// The largest header block once it is inflated.
const BLOCK_LIMIT: usize = 16 << 10;
/// The most headers that a stream may have.
const COUNT_LIMIT: u32 = 64;
/// The longest stored block of deflate.
const STORED_LIMIT: usize = 0xffff;

/// Names, in lower case, and values of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The value of a header; `name` is in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn parse(mut block: &[u8]) -> Result<Self, DecodeError> {
        let count = block.try_get_u32().map_err(|_| DecodeError::HeaderBlock)?;
        if count > COUNT_LIMIT {
            return Err(DecodeError::HeaderBlock);
        }
        let mut headers = Self::default();
        for _ in 0..count {
            let name = text(&mut block)?;
            if name.is_empty() || headers.get(&name).is_some() {
                return Err(DecodeError::HeaderBlock);
            }
            let value = text(&mut block)?;
            headers.0.push((name, value));
        }
        match block {
            [] => Ok(headers),
            _ => Err(DecodeError::HeaderBlock),
        }
    }
}

fn text(block: &mut &[u8]) -> Result<String, DecodeError> {
    let length = block.try_get_u32().map_err(|_| DecodeError::HeaderBlock)?;
    let length = usize::try_from(length).map_err(|_| DecodeError::HeaderBlock)?;
    let (text, rest) = block
        .split_at_checked(length)
        .ok_or(DecodeError::HeaderBlock)?;
    *block = rest;
    String::from_utf8(text.to_vec()).map_err(|_| DecodeError::HeaderBlock)
}

/// The receiving direction.
#[derive(Debug)]
pub(super) struct InflatedHeaders {
    inflate: Decompress,
}

impl InflatedHeaders {
    pub(super) fn new() -> Self {
        Self {
            inflate: Decompress::new(true),
        }
    }

    /// The headers of one block. Every block must pass through here, also of streams that are
    /// refused: the next one builds upon it.
    pub(super) fn read(&mut self, mut compressed: &[u8]) -> Result<Headers, DecodeError> {
        // One more than the limit, so that a block that is too long shows.
        let mut block = Vec::with_capacity(BLOCK_LIMIT + 1);
        loop {
            let (before_in, before_out) = (self.inflate.total_in(), block.len());
            let inflated =
                self.inflate
                    .decompress_vec(compressed, &mut block, FlushDecompress::Sync);
            let consumed = self.inflate.total_in() - before_in;
            compressed = usize::try_from(consumed)
                .ok()
                .and_then(|consumed| compressed.get(consumed..))
                .ok_or(DecodeError::Compression)?;
            if block.len() > BLOCK_LIMIT {
                return Err(DecodeError::HeaderBlock);
            }
            let has_moved = consumed > 0 || block.len() > before_out;
            match inflated {
                Err(error) if error.needs_dictionary() == Some(DICTIONARY_ID) => {
                    self.inflate
                        .set_dictionary(&dictionary())
                        .map_err(|_| DecodeError::Compression)?;
                }
                Ok(Status::Ok | Status::BufError) if !has_moved => break,
                Ok(Status::Ok | Status::BufError) => {}
                Ok(Status::StreamEnd) | Err(_) => return Err(DecodeError::Compression),
            }
        }
        match compressed {
            [] => Headers::parse(&block),
            _ => Err(DecodeError::Compression),
        }
    }
}

/// The sending direction: stored blocks, because what is sent is four zero bytes a stream and a
/// compressor takes 256 KiB.
#[derive(Debug, Default)]
pub struct DeflatedHeaders {
    has_begun: bool,
}

impl DeflatedHeaders {
    /// Appends the zlib bytes of a block to `out`.
    pub(super) fn append(&mut self, headers: &Headers, out: &mut BytesMut) {
        if !self.has_begun {
            self.has_begun = true;
            // Deflate with a window of 32 KiB and a preset dictionary; the second byte makes the
            // pair a multiple of 31.
            out.put_slice(&[0x78, 0x20]);
            out.put_u32(DICTIONARY_ID);
        }
        let mut block = BytesMut::new();
        block.put_u32(count(headers.0.len()));
        for (name, value) in &headers.0 {
            for text in [name, value] {
                block.put_u32(count(text.len()));
                block.put_slice(text.as_bytes());
            }
        }
        block.chunks(STORED_LIMIT).for_each(|part| store(part, out));
        // An empty block makes a reader hand out what it has.
        store(&[], out);
    }
}

fn store(part: &[u8], out: &mut BytesMut) {
    let length = u16::try_from(part.len()).expect("a part is no longer than a stored block");
    out.put_u8(0);
    out.put_u16_le(length);
    out.put_u16_le(!length);
    out.put_slice(part);
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("our own headers are short")
}
