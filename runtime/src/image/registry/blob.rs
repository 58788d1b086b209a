//! A blob as one stream, however often the connection breaks.

use bytes::Bytes;
use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};
use tokio::sync::mpsc;

use super::error::RegistryError;
use super::session::Session;
use crate::image::digest::Digest;

/// A part of a blob on its way to whoever unpacks it.
#[derive(Debug)]
pub(in crate::image) enum Piece {
    /// The next bytes.
    Bytes(Bytes),
    /// All bytes were sent. Without it the blob is incomplete.
    End,
}

/// How one connection ended.
enum Ended {
    Complete,
    /// Nobody wants the rest.
    Unwanted,
}

impl Session {
    /// Sends what comes after the first `done` bytes of a blob of `size` bytes, piece by piece, going
    /// on where a broken connection stopped. It ends early when the receiver goes away, which has its
    /// own reason.
    pub(super) async fn stream_blob(
        &self,
        digest: &Digest,
        size: u64,
        done: &mut u64,
        pieces: &mpsc::Sender<Piece>,
        arrived: &impl Fn(u64),
    ) -> Result<(), RegistryError> {
        let mut fruitless = 0;
        loop {
            let before = *done;
            let result = self
                .continue_blob(digest, size, done, pieces, arrived)
                .await;
            match result {
                Ok(Ended::Unwanted) => return Ok(()),
                Ok(Ended::Complete) => {
                    // Whoever does not listen any more has a reason that is told elsewhere.
                    let _ = pieces.send(Piece::End).await;
                    return Ok(());
                }
                Err(error) if !error.is_transient() => return Err(error),
                Err(error) => {
                    fruitless = if *done > before { 1 } else { fruitless + 1 };
                    if fruitless >= self.settings.attempts {
                        return Err(error);
                    }
                    tracing::info!(%digest, done, size, %error, "asking for the rest of the blob");
                }
            }
            let delay = self.settings.retry_delay * 2_u32.pow((fruitless - 1).min(6));
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                // Cancelled without loss: only the wait is given up.
                () = pieces.closed() => return Ok(()),
            }
        }
    }

    async fn continue_blob(
        &self,
        digest: &Digest,
        size: u64,
        done: &mut u64,
        pieces: &mpsc::Sender<Piece>,
        arrived: &impl Fn(u64),
    ) -> Result<Ended, RegistryError> {
        let url = self.blob_url(digest);
        let mut response = self.blob(digest, *done).await?;
        let mut skip = bytes_before(&response, *done, &url)?;
        while let Some(mut piece) = self.next_piece(&mut response, &url).await? {
            let known = skip.min(piece.len() as u64);
            skip -= known;
            let piece = piece.split_off(usize::try_from(known).expect("it is within the piece"));
            if piece.is_empty() {
                continue;
            }
            *done += piece.len() as u64;
            arrived(*done);
            if pieces.send(Piece::Bytes(piece)).await.is_err() {
                return Ok(Ended::Unwanted);
            }
        }
        if *done >= size {
            Ok(Ended::Complete)
        } else {
            Err(RegistryError::Incomplete {
                url,
                got: *done,
                size,
            })
        }
    }
}

/// How many bytes at the beginning of the answer are here already.
fn bytes_before(response: &Response, done: u64, url: &str) -> Result<u64, RegistryError> {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return Ok(done);
    }
    let range = response
        .headers()
        .get(CONTENT_RANGE)
        .and_then(|range| range.to_str().ok());
    let start: Option<u64> = range.and_then(|range| {
        range
            .strip_prefix("bytes ")?
            .split('-')
            .next()?
            .parse()
            .ok()
    });
    match start {
        Some(start) if start == done => Ok(0),
        _ => Err(RegistryError::Refused {
            url: url.to_owned(),
            status: StatusCode::PARTIAL_CONTENT.as_u16(),
            message: format!(": not the range from byte {done}"),
        }),
    }
}
