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

/// The table, sorted: one row a tag, and one for each repository that names the image by its digest
/// only. An image without any name has one, too.
pub(crate) fn table(images: &[Image]) -> String {
    let mut rows: Vec<_> = images.iter().flat_map(rows).collect();
    rows.sort();
    table::lay_out(&["IMAGE", "TAG", "IMAGE ID", "SIZE"], &rows)
}

fn rows(image: &Image) -> Vec<Vec<String>> {
    let mut names: Vec<(&str, &str)> = image.tags.iter().map(|tag| split_tag(tag)).collect();
    for digest in &image.digests {
        let repository = digest.split('@').next().unwrap_or(NONE);
        if !names.iter().any(|(name, _)| *name == repository) {
            names.push((repository, NONE));
        }
    }
    if names.is_empty() {
        names.push((NONE, NONE));
    }
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

    #[test]
    fn a_repository_that_names_an_image_by_digest_only_has_a_row_of_its_own() {
        let digest = |repository: &str| format!("{repository}@sha256:{}", "ef".repeat(32));
        let image = Image {
            id: format!("sha256:{}", "ab".repeat(32)),
            tags: vec!["a.example/app:1".to_owned()],
            digests: vec![digest("a.example/app"), digest("b.example/app")],
            size: 12,
        };
        let nameless = Image {
            tags: vec![],
            digests: vec![],
            ..image.clone()
        };
        let names = |image: &Image| -> Vec<String> {
            let rows = rows(image).into_iter();
            rows.map(|row| row[..2].join(" ")).collect()
        };
        assert_eq!(names(&image), ["a.example/app 1", "b.example/app <none>"]);
        assert_eq!(names(&nameless), ["<none> <none>"]);
    }
}
