//! What an OCI runtime says of itself: the `features` document of the OCI runtime specification.
#![deny(clippy::disallowed_methods)]

use serde::Deserialize;

use crate::model::handler::HandlerFeatures;

/// The part of it that is of use here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    mount_options: Vec<String>,
    #[serde(default)]
    linux: Linux,
}

#[derive(Debug, Default, Deserialize)]
struct Linux {
    #[serde(default)]
    namespaces: Vec<String>,
}

/// Reads the document. Ids of files are podling's own to map, so a runtime that enters user namespaces
/// is enough for pods that have one.
pub(super) fn parse(text: &[u8]) -> serde_json::Result<HandlerFeatures> {
    let document: Document = serde_json::from_slice(text)?;
    let has = |list: &[String], word: &str| list.iter().any(|other| other == word);
    Ok(HandlerFeatures {
        recursive_read_only: has(&document.mount_options, "rro"),
        user_namespaces: has(&document.linux.namespaces, "user"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_what_the_document_lists() {
        let cases = [
            ("{}", (false, false)),
            (r#"{"mountOptions":["ro","rro"]}"#, (true, false)),
            (r#"{"linux":{"namespaces":["user"]}}"#, (false, true)),
            (r#"{"ociVersionMin":"1.0.0","linux":{}}"#, (false, false)),
        ];
        for (text, expected) in cases {
            let features = parse(text.as_bytes()).expect("a document");
            let found = (features.recursive_read_only, features.user_namespaces);
            assert_eq!(found, expected, "{text}");
        }
        parse(b"unknown command features").expect_err("no document");
    }
}
