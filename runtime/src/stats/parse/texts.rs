//! What was read of one cgroup, by the names of its files.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::lines;

/// Texts of files by name.
#[derive(Clone, Debug, Default)]
pub(in crate::stats) struct Texts(BTreeMap<Cow<'static, str>, String>);

impl Texts {
    /// Adds what a file says.
    pub(in crate::stats) fn insert(&mut self, name: impl Into<Cow<'static, str>>, text: String) {
        self.0.insert(name.into(), text);
    }

    /// The whole text of a file.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The number that is all a file says.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.trim().parse().ok()
    }

    /// The number beside a word, in a file of such lines.
    pub(super) fn value(&self, name: &str, word: &str) -> Option<u64> {
        lines::value(self.text(name)?, word)
    }

    /// Names that begin and end like this, with what is between and the number they hold.
    pub(super) fn numbers_between<'a>(
        &'a self,
        begin: &'a str,
        end: &'a str,
    ) -> impl Iterator<Item = (&'a str, u64)> {
        self.0.iter().filter_map(move |(name, text)| {
            let between = name.strip_prefix(begin)?.strip_suffix(end)?;
            Some((between, text.trim().parse().ok()?))
        })
    }
}
