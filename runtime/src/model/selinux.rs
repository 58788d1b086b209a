//! SELinux contexts (`user:role:type:level`), as data.
//!
//! What keeps pods apart are categories: a process reaches a file only if it has all of the file's, and
//! no two pods have the same pair.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a process or a file is to SELinux.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Context {
    /// The user of the policy.
    pub user: String,
    /// The role; `object_r` for files.
    pub role: String,
    /// The type, which is what most rules are about.
    pub kind: String,
    /// Sensitivity and categories; policies without them have no level.
    pub level: Option<String>,
}

/// A text that is no context.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no SELinux context: user:role:type:level is expected")]
pub struct InvalidContext(String);

/// `SELinuxOption`: the parts of a context that a client names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelinuxOptions {
    /// The user, if it is named.
    pub user: Option<String>,
    /// The role.
    pub role: Option<String>,
    /// The type.
    pub kind: Option<String>,
    /// The level.
    pub level: Option<String>,
}

/// What the processes of a pod are, and its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodLabels {
    /// What a container of the pod runs as that is not privileged and names nothing else.
    pub process: Context,
    /// What its file systems and volumes are shown as.
    pub mount: Context,
}

/// Two categories, the lower one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Categories(u16, u16);

impl Context {
    /// The same with the parts that a client names for a process.
    pub fn of_process(self, asked: &SelinuxOptions) -> Self {
        let SelinuxOptions {
            user,
            role,
            kind,
            level,
        } = asked.clone();
        Self {
            user: user.unwrap_or(self.user),
            role: role.unwrap_or(self.role),
            kind: kind.unwrap_or(self.kind),
            level: level.or(self.level),
        }
    }

    /// The same with the parts that a client names, as far as they are of files too.
    pub fn of_files(self, asked: &SelinuxOptions) -> Self {
        Self {
            user: asked.user.clone().unwrap_or(self.user),
            level: asked.level.clone().or(self.level),
            ..self
        }
    }
}

impl FromStr for Context {
    type Err = InvalidContext;

    fn from_str(text: &str) -> Result<Self, InvalidContext> {
        let mut parts = text.splitn(4, ':').map(str::to_owned);
        let is_word = |part: &String| !part.is_empty() && !part.contains(char::is_whitespace);
        let mut word = || parts.next().filter(is_word);
        match (word(), word(), word()) {
            (Some(user), Some(role), Some(kind)) => Ok(Self {
                user,
                role,
                kind,
                level: word(),
            }),
            _ => Err(InvalidContext(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Context {
    type Error = InvalidContext;

    fn try_from(text: String) -> Result<Self, InvalidContext> {
        text.parse()
    }
}

impl From<Context> for String {
    fn from(context: Context) -> Self {
        context.to_string()
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user,
            role,
            kind,
            level,
        } = self;
        write!(f, "{user}:{role}:{kind}")?;
        level.as_ref().map_or(Ok(()), |level| write!(f, ":{level}"))
    }
}

impl Categories {
    /// Policies have categories 0 to 1023.
    const EACH: u32 = 1024;

    /// The first pair, beginning anywhere, whose level nobody has.
    pub fn free(begin: u32, sensitivity: &str, taken: &BTreeSet<String>) -> Option<Self> {
        let numbers = (0..Self::EACH * Self::EACH).map(|step| begin.wrapping_add(step));
        numbers
            .filter_map(Self::numbered)
            .find(|pair| !taken.contains(&pair.level(sensitivity)))
    }

    /// Every pair has a number, but not every number has a pair.
    fn numbered(number: u32) -> Option<Self> {
        let of = |number: u32| u16::try_from(number % Self::EACH).ok();
        let (low, high) = (of(number / Self::EACH)?, of(number)?);
        (low < high).then_some(Self(low, high))
    }

    /// The level of these categories.
    pub fn level(self, sensitivity: &str) -> String {
        format!("{sensitivity}:c{},c{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(text: &str) -> Context {
        text.parse().unwrap()
    }

    #[test]
    fn a_context_is_what_it_is_written_as() {
        for text in [
            "system_u:system_r:container_t:s0:c1,c2",
            "system_u:object_r:container_file_t:s0",
            "u:r:t",
            "u:r:t:s0-s0:c0.c1023",
        ] {
            assert_eq!(context(text).to_string(), text);
        }
        assert_eq!(context("u:r:t:s0:c1,c2").level.unwrap(), "s0:c1,c2");
        for text in ["", "u", "u:r", "u:r:", ":r:t:s0", "u:r:t t:s0"] {
            assert!(text.parse::<Context>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_a_client_names_replaces_a_part_of_what_it_is_about() {
        let asked = SelinuxOptions {
            user: Some("staff_u".to_owned()),
            role: Some("staff_r".to_owned()),
            kind: Some("web_t".to_owned()),
            level: Some("s0:c9".to_owned()),
        };
        let process = context("u:r:container_t:s0:c1,c2").of_process(&asked);
        assert_eq!(process.to_string(), "staff_u:staff_r:web_t:s0:c9");
        let files = context("u:object_r:container_file_t:s0:c1,c2").of_files(&asked);
        assert_eq!(files.to_string(), "staff_u:object_r:container_file_t:s0:c9");
        let nothing = SelinuxOptions::default();
        assert_eq!(
            context("u:r:t:s0").of_process(&nothing),
            context("u:r:t:s0")
        );
    }

    #[test]
    fn a_pair_is_two_categories_and_nobody_elses() {
        let pair = |begin, taken: &[&str]| {
            let taken = taken.iter().map(|&level| level.to_owned()).collect();
            Categories::free(begin, "s0", &taken).unwrap().level("s0")
        };
        assert_eq!(pair(0, &[]), "s0:c0,c1");
        assert_eq!(pair(0, &["s0:c0,c1", "s0:c0,c2"]), "s0:c0,c3");
        assert_eq!(pair(1024 * 7 + 3, &[]), "s0:c7,c8");
        assert_eq!(pair(1024 * 1023, &[]), "s0:c0,c1", "past the last pair");
        assert_eq!(pair(u32::MAX, &[]), "s0:c0,c1");
    }

    #[test]
    fn there_are_as_many_pairs_as_there_are_and_then_none() {
        let all: BTreeSet<String> = (0..1024 * 1024)
            .filter_map(Categories::numbered)
            .map(|pair| pair.level("s0"))
            .collect();
        assert_eq!(all.len(), 1024 * 1023 / 2);
        assert_eq!(Categories::free(5, "s0", &all), None);
    }
}
