//! What is wrong with a manifest: each problem with the field it is about, all of them at once.
#![deny(clippy::disallowed_methods)]

use std::fmt;

/// One thing that is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, for instance `spec.containers[0].image`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Collects problems.
#[derive(Debug, Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// All of them, unless there is none.
    pub(super) fn none(self) -> Result<(), Vec<Problem>> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(self.0),
        }
    }

    pub(super) fn invalid(&mut self, field: impl fmt::Display, message: impl fmt::Display) {
        self.0.push(Problem {
            field: field.to_string(),
            message: message.to_string(),
        });
    }

    pub(super) fn required(&mut self, field: impl fmt::Display) {
        self.invalid(field, "Required value");
    }

    pub(super) fn unsupported(&mut self, field: impl fmt::Display, value: &str, known: &[&str]) {
        let known = known
            .iter()
            .map(|one| format!("{one:?}"))
            .collect::<Vec<_>>()
            .join(", ");
        self.invalid(
            field,
            format!("Unsupported value: {value:?}: supported values: {known}"),
        );
    }

    /// The meaning of a word, from a table of all words there are.
    pub(super) fn word<T: Copy>(
        &mut self,
        field: impl fmt::Display,
        value: &str,
        known: &[(&str, T)],
    ) -> Option<T> {
        let meaning = known
            .iter()
            .find(|(word, _)| *word == value)
            .map(|(_, meaning)| *meaning);
        if meaning.is_none() {
            let words: Vec<_> = known.iter().map(|(word, _)| *word).collect();
            self.unsupported(field, value, &words);
        }
        meaning
    }

    /// Checks a name against RFC 1123's label: what most names in a pod are.
    pub(super) fn dns_label(&mut self, field: impl fmt::Display, name: &str) {
        if !is_dns_label(name) {
            self.invalid(
                field,
                format!(
                    "Invalid value: {name:?}: must be at most 63 lower case letters, digits and \
                     '-', and start and end with a letter or digit"
                ),
            );
        }
    }

    /// Checks a name against RFC 1123's subdomain: labels with dots between.
    pub(super) fn dns_subdomain(&mut self, field: impl fmt::Display, name: &str) {
        let is_part = |part: &str| is_label_of(part, 253);
        if name.len() > 253 || !name.split('.').all(is_part) {
            self.invalid(
                field,
                format!(
                    "Invalid value: {name:?}: must be at most 253 lower case letters, digits, '-' \
                     and '.', and each part start and end with a letter or digit"
                ),
            );
        }
    }
}

pub(super) fn is_dns_label(name: &str) -> bool {
    is_label_of(name, 63)
}

fn is_label_of(name: &str, longest: usize) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    let bytes = name.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= longest
        && bytes
            .iter()
            .all(|byte| is_alphanumeric(*byte) || *byte == b'-')
        && is_alphanumeric(bytes[0])
        && is_alphanumeric(bytes[bytes.len() - 1])
}
