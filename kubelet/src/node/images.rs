//! The images of a node, as its status lists them: pure.
#![deny(clippy::disallowed_methods)]

use std::cmp::Reverse;

use serde_json::{Value, json};

use crate::cri::Image;

/// How many names of an image are told.
const NAMES: usize = 5;

/// The largest first, and no more than `most`.
pub(super) fn listed(mut images: Vec<Image>, most: Option<usize>) -> Vec<Value> {
    images.sort_by_key(|image| Reverse(image.size));
    let most = most.unwrap_or(images.len());
    let images = images.into_iter().take(most);
    images
        .map(|image| {
            let names = image.digests.into_iter().chain(image.tags);
            let names: Vec<String> = names.take(NAMES).collect();
            json!({ "names": names, "sizeBytes": image.size })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(size: u64, digests: usize) -> Image {
        Image {
            tags: vec!["a:1".to_owned()],
            digests: (0..digests).map(|n| format!("a@{n}")).collect(),
            size,
            ..Image::default()
        }
    }

    #[test]
    fn the_largest_images_are_listed_with_their_first_names() {
        let images = vec![image(1, 0), image(3, 1), image(2, 7)];
        let expected = json!([
            { "names": ["a@0", "a:1"], "sizeBytes": 3 },
            { "names": ["a@0", "a@1", "a@2", "a@3", "a@4"], "sizeBytes": 2 },
        ]);
        assert_eq!(json!(listed(images.clone(), Some(2))), expected);
        assert_eq!(listed(images.clone(), None).len(), 3);
        assert_eq!(listed(images, Some(0)).len(), 0);
    }
}
