//! A list that goes on: events of JSON, one a line.

use hyper::Response;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;

use super::KubeletError;
use super::http::{HttpError, next_chunk};
use crate::select::News;

/// A watch of the kubelet's.
pub(crate) struct Watch {
    answer: Response<Incoming>,
    lines: Lines,
}

impl Watch {
    pub(super) fn new(answer: Response<Incoming>) -> Self {
        Self {
            answer,
            lines: Lines::default(),
        }
    }

    /// The next news; nothing once the kubelet has ended it. May be cancelled.
    pub(crate) async fn next(&mut self) -> Result<Option<News>, KubeletError> {
        loop {
            while let Some(line) = self.lines.next() {
                let news = decode(&line).map_err(HttpError::Json);
                if let Some(news) = news.map_err(KubeletError::Answer)? {
                    return Ok(Some(news));
                }
            }
            let chunk = next_chunk(&mut self.answer).await;
            match chunk.map_err(KubeletError::Answer)? {
                Some(chunk) => self.lines.read.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

/// Bytes of which whole lines are taken.
#[derive(Debug, Default)]
struct Lines {
    read: Vec<u8>,
}

impl Lines {
    fn next(&mut self) -> Option<Vec<u8>> {
        let end = self.read.iter().position(|byte| *byte == b'\n')?;
        Some(self.read.drain(..=end).collect())
    }
}

/// What a line says; nothing when it says nothing that concerns us.
fn decode(line: &[u8]) -> Result<Option<News>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Event {
        r#type: String,
        object: Value,
    }
    let Event { r#type, object } = serde_json::from_slice(line)?;
    Ok(match r#type.as_str() {
        "ADDED" => Some(News::Added(object)),
        "MODIFIED" => Some(News::Modified(object)),
        "DELETED" => Some(News::Deleted(object)),
        "BOOKMARK" => Some(News::AllThere),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_are_read_wherever_the_pieces_end() {
        let mut lines = Lines::default();
        let mut news = Vec::new();
        let text = b"{\"type\":\"ADDED\",\"object\":1}\n{\"type\":\"BOOKMARK\",\"object\":{}}\n{";
        for piece in text.chunks(7) {
            lines.read.extend_from_slice(piece);
            while let Some(line) = lines.next() {
                news.extend(decode(&line).unwrap());
            }
        }
        assert_eq!(news, [News::Added(json!(1)), News::AllThere]);
        assert_eq!(lines.read, b"{");
        assert!(decode(b"{}").is_err());
    }
}
