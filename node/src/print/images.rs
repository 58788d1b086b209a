//! `images`: the rows of the image table.

use super::{size, table};

const ID_DIGITS: usize = 13;
const NONE: &str = "<none>";

/// One image of the node.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// `sha256:…`
    pub(crate) id: String,
    /// Tags, as `registry/name:tag`.
    pub(crate) tags: Vec<String>,
    /// Digest references, as `registry/name@sha256:…`.
    pub(crate) digests: Vec<String>,
    /// Bytes on disk.
    pub(crate) size: u64,
}

/// The table: one row a tag, sorted; an image without tags has one row by its digest reference.
pub(crate) fn table(images: &[Image]) -> String {
    let mut rows: Vec<_> = images.iter().flat_map(rows).collect();
    rows.sort();
    table::lay_out(&["IMAGE", "TAG", "IMAGE ID", "SIZE"], &rows)
}

fn rows(image: &Image) -> Vec<Vec<String>> {
    let names: Vec<(&str, &str)> = if image.tags.is_empty() {
        let digest = image.digests.first();
        vec![(
            digest
                .and_then(|name| name.split('@').next())
                .unwrap_or(NONE),
            NONE,
        )]
    } else {
        image.tags.iter().map(|tag| split_tag(tag)).collect()
    };
    let cells = |(name, tag): (&str, &str)| {
        vec![
            name.to_owned(),
            tag.to_owned(),
            short(&image.id),
            size::human(image.size),
        ]
    };
    names.into_iter().map(cells).collect()
}

/// Splits at the colon of the tag, not at that of a registry's port.
fn split_tag(reference: &str) -> (&str, &str) {
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, NONE),
    }
}

fn short(id: &str) -> String {
    id.strip_prefix("sha256:")
        .unwrap_or(id)
        .chars()
        .take(ID_DIGITS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tag_has_a_row_and_an_untagged_image_one_by_its_digest() {
        let tagged = Image {
            id: format!("sha256:{}", "ab".repeat(32)),
            tags: vec![
                "localhost:5000/web:2".to_owned(),
                "localhost:5000/web:1".to_owned(),
            ],
            digests: vec![],
            size: 4_200_000,
        };
        let untagged = Image {
            id: format!("sha256:{}", "cd".repeat(32)),
            tags: vec![],
            digests: vec![format!("old.example/app@sha256:{}", "ef".repeat(32))],
            size: 12,
        };
        let text = table(&[untagged, tagged]);
        let expected = "IMAGE                TAG      IMAGE ID        SIZE\n\
                        localhost:5000/web   1        abababababababab   4.20MB\n"
            .replace("abababababababab   ", "ababababababa   ");
        let first_two: String = text.split_inclusive('\n').take(2).collect();
        assert_eq!(first_two, expected);
        assert_eq!(
            text.lines().last(),
            Some("old.example/app      <none>   cdcdcdcdcdcdc   12B")
        );
    }
}
