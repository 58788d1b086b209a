//! Qualified names, `vendor.com/class=device`, and which of them a request holds.
#![deny(clippy::disallowed_methods)]

use crate::model::config::StringMap;

/// Annotations whose values are qualified names, separated by commas.
const ANNOTATION: &str = "cdi.k8s.io/";

/// A name that is not one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// It has not the form of one.
    #[error("{0:?} is no name of a CDI device: VENDOR/CLASS=DEVICE is expected")]
    Malformed(String),
    /// An annotation holds one that has not.
    #[error(
        "annotation {key:?}: {name:?} is no name of a CDI device: VENDOR/CLASS=DEVICE is expected"
    )]
    Annotation {
        /// The annotation's key.
        key: String,
        /// What is in it.
        name: String,
    },
}

/// The names of a request's field and of its annotations, each once, in this order.
pub fn requested(field: &[String], annotations: &StringMap) -> Result<Vec<String>, NameError> {
    let mut names = Vec::new();
    for name in field {
        split(name).ok_or_else(|| NameError::Malformed(name.clone()))?;
        push(&mut names, name);
    }
    let annotations = annotations
        .iter()
        .filter(|(key, _)| key.starts_with(ANNOTATION));
    for (key, value) in annotations {
        for name in value.split(',') {
            split(name).ok_or_else(|| NameError::Annotation {
                key: key.clone(),
                name: name.to_owned(),
            })?;
            push(&mut names, name);
        }
    }
    Ok(names)
}

fn push(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

/// Kind (`vendor.com/class`) and device of a qualified name.
pub(super) fn split(name: &str) -> Option<(&str, &str)> {
    let (kind, device) = name.split_once('=')?;
    (is_kind(kind) && is_device(device)).then_some((kind, device))
}

/// Whether a text is a vendor and a class.
pub(super) fn is_kind(kind: &str) -> bool {
    let Some((vendor, class)) = kind.split_once('/') else {
        return false;
    };
    let begins = |text: &str| text.starts_with(|c: char| c.is_ascii_alphabetic());
    begins(vendor) && is_word(vendor, "_-.") && begins(class) && is_word(class, "_-")
}

/// Whether a text is the name of a device within its kind.
pub(super) fn is_device(device: &str) -> bool {
    device.starts_with(|c: char| c.is_ascii_alphanumeric()) && is_word(device, "_-.:")
}

/// Letters and digits, with `others` between them.
fn is_word(text: &str, others: &str) -> bool {
    text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_name_is_a_kind_and_a_device() {
        assert_eq!(
            split("nvidia.com/gpu=GPU-1:0.2"),
            Some(("nvidia.com/gpu", "GPU-1:0.2"))
        );
        for name in [
            "",
            "gpu",
            "gpu=0",
            "vendor.com/gpu",
            "vendor.com/gpu=",
            "/gpu=0",
            "vendor.com/=0",
            "0vendor.com/gpu=0",
            "vendor.com/gpu/x=0",
            "vendor.com/gpu=0 ",
            "vendor.com-/gpu=0",
            "vendor.com/gpu=-0",
            "vendor.com/gpu=../0",
        ] {
            assert_eq!(split(name), None, "{name:?}");
        }
    }

    #[test]
    fn field_and_annotations_are_asked_for_once_each() {
        let annotations = [
            ("cdi.k8s.io/plugin", "v.com/net=b,v.com/net=a"),
            ("other", "nonsense"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        let names = requested(&words("v.com/net=a v.com/net=a"), &annotations).unwrap();
        assert_eq!(names, words("v.com/net=a v.com/net=b"));
    }

    #[test]
    fn a_name_that_is_none_is_an_error_with_its_place() {
        let error = requested(&words("gpu0"), &StringMap::new()).unwrap_err();
        assert!(error.to_string().contains("\"gpu0\""), "{error}");
        let annotations = [("cdi.k8s.io/p".to_owned(), "v.com/a=b,".to_owned())].into();
        let error = requested(&[], &annotations).unwrap_err();
        assert!(error.to_string().contains("cdi.k8s.io/p"), "{error}");
    }
}
