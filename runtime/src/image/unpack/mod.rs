//! Unpacks a layer into a directory of its own; nothing is ever written outside of it.
//!
//! ```text
//! stream   blob bytes ─► checked, decompressed, checked again
//! tar      archive bytes ─► entries, within limits
//! name     entry names ─► places below the layer's directory, or refused
//! tree     entries ─► files, by descriptor, beneath the directory
//! ```

pub(crate) mod attributes;
mod error;
mod limits;
mod name;
mod parents;
pub(crate) mod pax;
mod stream;
pub(crate) mod tar;
mod tree;

use std::io::Read;
use std::path::Path;

pub use error::UnpackError;
pub use limits::Limits;
pub use stream::Expected;
pub use tree::{Finished, Footprint};

/// Unpacks the layer that `blob` holds into `directory`, which is empty, and checks that it is the
/// expected one. Blocks: not for an async task. After an error the directory is to be removed.
pub fn unpack(
    blob: impl Read,
    expected: &Expected,
    directory: &Path,
    limits: Limits,
) -> Result<Finished, UnpackError> {
    let mut blob = stream::Measured::blob(blob, expected, limits.bytes);
    let result = unpack_archive(&mut blob, expected, directory, limits);
    match &result {
        Ok(_) => blob.finish_blob(expected)?,
        Err(error) if error.is_nonsense() => blame_content(blob, expected)?,
        Err(_) => {}
    }
    result
}

/// Content that makes no sense is most often the wrong content, which is the better message.
fn blame_content(
    blob: stream::Measured<impl Read>,
    expected: &Expected,
) -> Result<(), UnpackError> {
    match blob.finish_blob(expected) {
        Err(wrong) if wrong.is_wrong_content() => Err(wrong),
        _ => Ok(()),
    }
}

fn unpack_archive(
    blob: impl Read,
    expected: &Expected,
    directory: &Path,
    limits: Limits,
) -> Result<Finished, UnpackError> {
    let stream = stream::decompress(blob, &expected.diff_id, limits.bytes)?;
    let mut archive = tar::Archive::new(stream, limits);
    let mut tree = tree::Tree::new(directory, limits)?;
    while let Some(entry) = archive.next_entry()? {
        tree.apply(&entry, &mut archive)?;
    }
    let finished = tree.finish()?;
    archive.into_source().finish_archive(&expected.diff_id)?;
    Ok(finished)
}

#[cfg(test)]
mod tests;
