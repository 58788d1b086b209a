//! Reading a mapping field by field: each that is wrong or unknown is a problem, and the rest is read.
//!
//! `null` says nothing: the field keeps its default.
#![deny(clippy::disallowed_methods)]

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use podling_kubelet::yaml::{Entry, Node, Value};

use super::problem::Problem;
use crate::duration;

/// The fields of one mapping that were not read yet.
pub(crate) struct Fields<'a> {
    path: String,
    entries: Vec<&'a Entry>,
    known: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
}

/// Something wrong inside a field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    line: u64,
    message: String,
}

/// What a reader of a value comes to.
pub(crate) type Read<T> = Result<T, Vec<Wrong>>;

/// Reads the mapping `node`, whose fields are called by names behind `path`.
pub(crate) fn read(
    node: &Node,
    path: &str,
    problems: &mut Vec<Problem>,
    read: impl FnOnce(&mut Fields<'_>),
) {
    let none = Vec::new();
    let entries = match &node.value {
        Value::Mapping(entries) => entries,
        Value::Null => &none,
        other => {
            let message = format!("a mapping is expected, not {}", other.kind());
            problems.push(Problem::field(node.line, path, message));
            return;
        }
    };
    let mut fields = Fields {
        path: path.to_owned(),
        entries: entries.iter().collect(),
        known: Vec::new(),
        problems,
    };
    read(&mut fields);
    fields.refuse_the_others();
}

impl<'a> Fields<'a> {
    /// Reads a field into its place.
    pub(crate) fn set<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Node) -> Read<T>,
        into: &mut T,
    ) {
        let Some(entry) = self.take(name) else {
            return;
        };
        match read(&entry.node) {
            Ok(value) => *into = value,
            Err(all) => {
                let path = self.path_of(name);
                let problems = all
                    .into_iter()
                    .map(|wrong| Problem::field(wrong.line, &path, wrong.message));
                self.problems.extend(problems);
            }
        }
    }

    /// Reads the mapping that is a field.
    pub(crate) fn group(&mut self, name: &'static str, read_it: impl FnOnce(&mut Fields<'_>)) {
        let path = self.path_of(name);
        if let Some(entry) = self.take(name) {
            read(&entry.node, &path, self.problems, read_it);
        }
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// A field that says something.
    fn take(&mut self, name: &'static str) -> Option<&'a Entry> {
        self.known.push(name);
        let index = self.entries.iter().position(|entry| entry.name == name)?;
        let entry = self.entries.remove(index);
        (entry.node.value != Value::Null).then_some(entry)
    }

    fn refuse_the_others(self) {
        let known = self.known.join(", ");
        for entry in &self.entries {
            let path = self.path_of(&entry.name);
            let message = format!("there is no such field; there are {known}");
            self.problems
                .push(Problem::field(entry.line, &path, message));
        }
    }
}

/// Text that `parse` understands.
pub(crate) fn text<T, E: Display>(
    parse: impl Fn(&str) -> Result<T, E>,
) -> impl Fn(&Node) -> Read<T> {
    move |node| match &node.value {
        Value::Text(text) => parse(text).or_else(|error| wrong(node, error)),
        other => wrong(node, format!("text is expected, not {}", other.kind())),
    }
}

/// A list of what `item` reads.
pub(crate) fn list<T>(item: impl Fn(&Node) -> Read<T>) -> impl Fn(&Node) -> Read<Vec<T>> {
    move |node| {
        let Value::List(items) = &node.value else {
            return wrong(
                node,
                format!("a list is expected, not {}", node.value.kind()),
            );
        };
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for node in items {
            match item(node) {
                Ok(value) => good.push(value),
                Err(wrong) => bad.extend(wrong),
            }
        }
        if bad.is_empty() { Ok(good) } else { Err(bad) }
    }
}

/// A whole number in a range.
pub(crate) fn number(least: u32, most: u32) -> impl Fn(&Node) -> Read<u32> {
    move |node| {
        let number = match node.value {
            Value::Integer(number) => u32::try_from(number).ok(),
            _ => None,
        };
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => Ok(number),
            None => wrong(
                node,
                format!("a whole number from {least} to {most} is expected"),
            ),
        }
    }
}

/// A time that is not nothing: `30s`.
pub(crate) fn time(node: &Node) -> Read<Duration> {
    text(|text| match duration::parse(text) {
        Ok(Duration::ZERO) => Err("it must be longer than nothing".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    })(node)
}

/// `true` or `false`.
pub(crate) fn truth(node: &Node) -> Read<bool> {
    match &node.value {
        Value::Bool(truth) => Ok(*truth),
        other => wrong(
            node,
            format!("true or false is expected, not {}", other.kind()),
        ),
    }
}

/// A path from the root of the file system.
pub(crate) fn path(node: &Node) -> Read<PathBuf> {
    text(|text| {
        let path = PathBuf::from(text);
        if path.is_absolute() {
            Ok(path)
        } else {
            Err(format!("{text:?} is not a path from /"))
        }
    })(node)
}

/// An address with a port.
pub(crate) fn address(node: &Node) -> Read<SocketAddr> {
    text(|text| {
        text.parse::<SocketAddr>()
            .map_err(|_| format!("{text:?} is not an address with a port, as 127.0.0.1:8080"))
    })(node)
}

/// A field that is left open by default.
pub(crate) fn some<T>(read: impl Fn(&Node) -> Read<T>) -> impl Fn(&Node) -> Read<Option<T>> {
    move |node| read(node).map(Some)
}

/// A mapping, read field by field over what is there by default.
pub(crate) fn mapping<T: Default>(
    read_it: impl Fn(&mut T, &mut Fields<'_>),
) -> impl Fn(&Node) -> Read<T> {
    move |node| {
        let (mut value, mut problems) = (T::default(), Vec::new());
        read(node, "", &mut problems, |fields| {
            read_it(&mut value, fields);
        });
        let wrongs = problems.into_iter().filter_map(|problem| match problem {
            Problem::File { line, message } => Some(Wrong {
                line,
                // Of the mapping itself there is no name here.
                message: message.trim_start_matches(": ").to_owned(),
            }),
            Problem::Flag { .. } => None,
        });
        let wrongs: Vec<Wrong> = wrongs.collect();
        if wrongs.is_empty() {
            Ok(value)
        } else {
            Err(wrongs)
        }
    }
}

/// Something wrong with the whole of a value.
pub(crate) fn wrong<T>(node: &Node, message: impl Display) -> Read<T> {
    Err(vec![Wrong {
        line: node.line,
        message: message.to_string(),
    }])
}

#[cfg(test)]
mod tests {
    use podling_kubelet::yaml::documents;

    use super::*;

    fn told(text: &str, read_it: impl FnOnce(&mut Fields<'_>)) -> Vec<String> {
        let node = documents(text)[0].tree().unwrap().unwrap();
        let mut problems = Vec::new();
        read(&node, "", &mut problems, read_it);
        let told = problems.into_iter().map(|problem| match problem {
            Problem::File { line, message } => format!("{line}: {message}"),
            Problem::Flag { .. } => panic!("there are no flags"),
        });
        told.collect()
    }

    #[test]
    fn every_field_that_is_wrong_is_told_and_the_others_are_read() {
        let (mut count, mut name, mut dirs) = (1, String::new(), Vec::new());
        let mut wait = Duration::from_secs(1);
        let text = "count: 9\nname: 7\ndirs:\n- /a\n- b\n- 3\nwait: 5s\ngrup: {}\n";
        let problems = told(text, |fields| {
            fields.set("count", number(1, 8), &mut count);
            fields.set(
                "name",
                super::text(|t| Ok::<_, String>(t.to_owned())),
                &mut name,
            );
            fields.set("dirs", list(path), &mut dirs);
            fields.set("wait", time, &mut wait);
        });
        assert_eq!(
            problems,
            [
                "1: count: a whole number from 1 to 8 is expected",
                "2: name: text is expected, not a number",
                "5: dirs: \"b\" is not a path from /",
                "6: dirs: text is expected, not a number",
                "8: grup: there is no such field; there are count, name, dirs, wait",
            ]
        );
        assert_eq!((count, wait), (1, Duration::from_secs(5)));
    }

    #[test]
    fn fields_of_a_group_are_called_by_their_path() {
        let mut limit = Duration::ZERO;
        let problems = told("a:\n  b: {c: 0s, d: 1}\ne: 1\nf:\n", |fields| {
            fields.group("a", |fields| {
                fields.group("b", |fields| fields.set("c", time, &mut limit));
            });
            fields.group("e", |_| {});
            fields.group("f", |_| {});
        });
        assert_eq!(
            problems,
            [
                "2: a.b.c: it must be longer than nothing",
                "2: a.b.d: there is no such field; there are c",
                "3: e: a mapping is expected, not a number",
            ]
        );
    }

    #[test]
    fn null_leaves_the_default() {
        let mut limit = Duration::from_secs(7);
        assert!(
            told("limit: null\n", |fields| fields
                .set("limit", time, &mut limit))
            .is_empty()
        );
        assert_eq!(limit, Duration::from_secs(7));
    }
}
