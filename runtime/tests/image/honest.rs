//! A registry that tells the truth about one image.

use podling_runtime::image::digest::Digest;

use crate::archive::{Compression, Image};
use crate::scripted::{Answer, Request};

/// A layer too long for one packet, and incompressible.
pub(crate) fn image() -> Image {
    let noise: String = (0..2_000_u32)
        .map(|n| Digest::of(&n.to_le_bytes()).to_string())
        .collect();
    Image::new().layer(&[("etc/noise", &noise)], Compression::Gzip)
}

pub(crate) fn layer_digest(image: &Image) -> String {
    Digest::of(&image.layers[0].blob).to_string()
}

/// Answers as an honest registry with this image does.
pub(crate) fn honest(image: &Image, request: &Request) -> Answer {
    if request.path.contains("/manifests/") {
        return Answer::ok(image.manifest().to_string());
    }
    let path = request.path.split('?').next().unwrap();
    let blobs = image.blobs();
    let found = blobs
        .into_iter()
        .find(|blob| path.ends_with(Digest::of(blob).as_str()));
    found.map_or_else(
        || Answer::status("404 Not Found"),
        |blob| part(&blob, request.offset()),
    )
}

/// The content from a byte on, as a range request gets it.
pub(crate) fn part(content: &[u8], offset: usize) -> Answer {
    if offset == 0 {
        return Answer::ok(content);
    }
    let (last, total) = (content.len() - 1, content.len());
    let answer = Answer {
        status: "206 Partial Content",
        ..Answer::ok(&content[offset..])
    };
    answer.header(format!("content-range: bytes {offset}-{last}/{total}"))
}
