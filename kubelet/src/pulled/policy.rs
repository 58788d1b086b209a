//! For which images is it looked at who may have them?
#![deny(clippy::disallowed_methods)]

use crate::model::written_name;

/// `imagePullCredentialsVerificationPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// For none.
    Never,
    /// For those that a kubelet has pulled.
    #[default]
    NotForPreloaded,
    /// For all but those of a list.
    NotForListed,
    /// For all.
    Always,
}

/// Which images are verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    verification: Verification,
    /// Names without tag and digest.
    names: Vec<String>,
    /// What names begin with.
    prefixes: Vec<String>,
}

impl Policy {
    /// A policy with its list (`preloadedImagesVerificationAllowlist`), or what is wrong with it.
    pub(crate) fn read(word: &str, list: &[String]) -> Result<Self, Vec<String>> {
        let verification = match word {
            "NeverVerify" => Verification::Never,
            "NeverVerifyAllowlistedImages" => Verification::NotForListed,
            "AlwaysVerify" => Verification::Always,
            _ => Verification::NotForPreloaded,
        };
        let mut policy = Self {
            verification,
            ..Self::default()
        };
        let mut problems = Vec::new();
        for pattern in list {
            match Pattern::read(pattern) {
                Ok(Pattern::Name(name)) => policy.names.push(name),
                Ok(Pattern::Prefix(prefix)) => policy.prefixes.push(prefix),
                Err(why) => problems.push(format!(
                    "preloadedImagesVerificationAllowlist: {why}: {pattern}"
                )),
            }
        }
        if problems.is_empty() {
            Ok(policy)
        } else {
            Err(problems)
        }
    }

    /// Whether it matters who may have an image; `is_ours` when a kubelet has pulled it.
    pub(super) fn verifies(&self, image: &str, is_ours: bool) -> bool {
        match self.verification {
            Verification::Never => false,
            Verification::NotForPreloaded => is_ours,
            Verification::NotForListed => !self.lists(image),
            Verification::Always => true,
        }
    }

    fn lists(&self, image: &str) -> bool {
        let name = written_name(image).unwrap_or(image);
        let begins = |prefix: &String| name.starts_with(prefix.as_str());
        self.names.iter().any(|one| one == name) || self.prefixes.iter().any(begins)
    }
}

enum Pattern {
    Name(String),
    Prefix(String),
}

impl Pattern {
    fn read(pattern: &str) -> Result<Self, &'static str> {
        if pattern.trim() != pattern {
            return Err("leading/trailing spaces are not allowed");
        }
        let (text, is_prefix) = match pattern.strip_suffix("/*") {
            Some(prefix) => (prefix, true),
            None => (pattern, false),
        };
        if text.contains('*') {
            return Err("not a valid wildcard pattern, only patterns ending with '/*' are allowed");
        }
        match (text, is_prefix) {
            ("", true) => Err("at least registry hostname is required"),
            ("", false) => Err("the supplied pattern is too short"),
            (prefix, true) => Ok(Self::Prefix(format!("{prefix}/"))),
            (name, false) => match written_name(name) {
                Ok(written) if written == name => Ok(Self::Name(name.to_owned())),
                Ok(_) => Err("neither tag nor digest is accepted in an image reference"),
                Err(_) => Err("failed to parse as an image name"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_says_for_which_images_it_matters() {
        let list = ["quay.io/team/*".to_owned(), "nginx".to_owned()];
        let rows = [
            ("NeverVerify", "nginx:1", true, false),
            ("NeverVerifyPreloadedImages", "nginx:1", true, true),
            ("NeverVerifyPreloadedImages", "nginx:1", false, false),
            ("NeverVerifyAllowlistedImages", "nginx:1", true, false),
            (
                "NeverVerifyAllowlistedImages",
                "quay.io/team/a@x",
                true,
                false,
            ),
            ("NeverVerifyAllowlistedImages", "quay.io/other", false, true),
            ("AlwaysVerify", "nginx:1", false, true),
        ];
        for (word, image, is_ours, expected) in rows {
            let policy = Policy::read(word, &list).unwrap();
            assert_eq!(policy.verifies(image, is_ours), expected, "{word} {image}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_told() {
        for pattern in ["", " a", "/*", "a*", "*/b", "nginx:1", "A b"] {
            let told = Policy::read("NeverVerifyAllowlistedImages", &[pattern.to_owned()]);
            assert_eq!(told.unwrap_err().len(), 1, "{pattern:?}");
        }
    }
}
