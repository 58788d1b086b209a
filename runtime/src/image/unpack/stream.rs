//! The bytes of a layer on their way from the registry to the archive reader.
//!
//! ```text
//! blob ─► count, hash (blob digest) ─► gunzip | unzstd | nothing ─► count, hash (diff id) ─► tar
//! ```
//!
//! One pass: nothing is stored in between. The compression is told by the first bytes, because
//! docker archives do not name it and registries sometimes name the wrong one.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::error::UnpackError;
use crate::image::digest::{Digest, Hasher};

const BUFFER: usize = 128 << 10;
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// What a layer's bytes must turn out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Digest and size of the blob; `None` for archives that do not name them.
    pub blob: Option<(Digest, u64)>,
    /// Digest of the uncompressed archive.
    pub diff_id: Digest,
}

/// A reader that counts and hashes what passes.
pub(super) struct Measured<R> {
    source: R,
    hasher: Option<Hasher>,
    seen: u64,
    bound: Bound,
}

/// What is too much.
#[derive(Clone, Copy)]
enum Bound {
    /// More than the manifest says.
    Size(u64),
    /// More than a layer may have.
    Limit(u64),
}

impl<R: Read> Measured<R> {
    /// The blob as it arrives.
    pub(super) fn blob(source: R, expected: &Expected, limit: u64) -> Self {
        let (hasher, bound) = match &expected.blob {
            Some((digest, size)) => (Some(digest.hasher()), Bound::Size(*size)),
            None => (None, Bound::Limit(limit)),
        };
        Self {
            source,
            hasher,
            seen: 0,
            bound,
        }
    }

    /// Reads what is left of the blob and checks its size and digest.
    pub(super) fn finish_blob(mut self, expected: &Expected) -> Result<(), UnpackError> {
        drain(&mut self)?;
        let Some((digest, size)) = &expected.blob else {
            return Ok(());
        };
        if self.seen != *size {
            return Err(UnpackError::SizeMismatch {
                expected: *size,
                got: self.seen,
            });
        }
        self.check("the digest", digest)
    }

    fn check(self, what: &'static str, expected: &Digest) -> Result<(), UnpackError> {
        let expected = expected.clone();
        match self.hasher.map(Hasher::finish) {
            Some(got) if got != expected => Err(UnpackError::DigestMismatch {
                what,
                expected,
                got,
            }),
            _ => Ok(()),
        }
    }
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.source.read(buffer)?;
        self.seen += got as u64;
        let error = match self.bound {
            Bound::Size(expected) if self.seen > expected => UnpackError::SizeMismatch {
                expected,
                got: self.seen,
            },
            Bound::Limit(limit) if self.seen > limit => UnpackError::TooLarge {
                limit,
                what: "bytes",
            },
            _ => {
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(&buffer[..got]);
                }
                return Ok(got);
            }
        };
        Err(io::Error::other(error))
    }
}

/// The uncompressed archive of a layer.
pub(super) type Uncompressed<R> = Measured<Decoder<R>>;

/// Looks at the first bytes of the blob and begins to decompress it, to at most `limit` bytes.
pub(super) fn decompress<R: Read>(
    blob: R,
    diff_id: &Digest,
    limit: u64,
) -> Result<Uncompressed<R>, UnpackError> {
    let blob = BufReader::with_capacity(BUFFER, blob);
    let source = Decoder::detect(blob).map_err(UnpackError::from_read)?;
    Ok(Measured {
        source,
        hasher: Some(diff_id.hasher()),
        seen: 0,
        bound: Bound::Limit(limit),
    })
}

impl<R: Read> Uncompressed<R> {
    /// Reads what follows the archive's end and checks the diff id.
    pub(super) fn finish_archive(mut self, diff_id: &Digest) -> Result<(), UnpackError> {
        drain(&mut self)?;
        self.check("the diff id", diff_id)
    }
}

/// A decompressor, or none.
pub(super) enum Decoder<R: Read> {
    Plain(BufReader<R>),
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    Zstd(zstd::Decoder<'static, BufReader<R>>),
}

impl<R: Read> Decoder<R> {
    fn detect(mut blob: BufReader<R>) -> io::Result<Self> {
        let start = blob.fill_buf()?;
        Ok(if start.starts_with(GZIP) {
            Self::Gzip(Box::new(MultiGzDecoder::new(blob)))
        } else if start.starts_with(ZSTD) {
            Self::Zstd(zstd::Decoder::with_buffer(blob)?)
        } else {
            Self::Plain(blob)
        })
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(blob) => blob.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

fn drain(source: &mut impl Read) -> Result<(), UnpackError> {
    io::copy(source, &mut io::sink())
        .map(drop)
        .map_err(UnpackError::from_read)
}
