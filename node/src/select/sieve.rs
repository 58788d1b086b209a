//! What of a watch concerns a selection: an object may come to be meant, and cease to be.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Selection;
use crate::resource::{name, namespace};

/// What a watch tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum News {
    /// It is there.
    Added(Value),
    /// It is another now.
    Modified(Value),
    /// It is gone.
    Deleted(Value),
    /// What was there at the beginning has been told.
    AllThere,
}

/// Lets through what concerns a selection.
#[derive(Debug)]
pub(crate) struct Sieve {
    selection: Selection,
    /// UIDs, or names, of what was let through and is still meant.
    inside: BTreeSet<String>,
}

impl Sieve {
    /// A sieve for a selection.
    pub(crate) fn new(selection: Selection) -> Self {
        Self {
            selection,
            inside: BTreeSet::new(),
        }
    }

    /// What these news are for the selection, if any.
    pub(crate) fn pass(&mut self, news: News) -> Option<News> {
        match news {
            News::AllThere => Some(News::AllThere),
            News::Deleted(object) => self
                .inside
                .remove(&key(&object))
                .then_some(News::Deleted(object)),
            News::Added(object) | News::Modified(object) => {
                let key = key(&object);
                if !self.selection.takes(&object) {
                    return self.inside.remove(&key).then_some(News::Deleted(object));
                }
                Some(match self.inside.insert(key) {
                    true => News::Added(object),
                    false => News::Modified(object),
                })
            }
        }
    }
}

fn key(object: &Value) -> String {
    match object["metadata"]["uid"].as_str() {
        Some(uid) => uid.to_owned(),
        None => format!("{}/{}", namespace(object), name(object)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_comes_to_be_meant_is_added_and_what_ceases_to_be_is_deleted() {
        let pod = |uid: &str, phase: &str| json!({ "metadata": { "uid": uid }, "status": { "phase": phase } });
        let mut sieve = Sieve::new(Selection {
            fields: "status.phase=Running".parse().unwrap(),
            ..Selection::default()
        });
        let rows = [
            (News::Added(pod("1", "Pending")), None),
            (News::AllThere, Some(News::AllThere)),
            (
                News::Modified(pod("1", "Running")),
                Some(News::Added(pod("1", "Running"))),
            ),
            (
                News::Modified(pod("1", "Running")),
                Some(News::Modified(pod("1", "Running"))),
            ),
            (
                News::Modified(pod("1", "Failed")),
                Some(News::Deleted(pod("1", "Failed"))),
            ),
            (News::Deleted(pod("1", "Failed")), None),
            (
                News::Added(pod("2", "Running")),
                Some(News::Added(pod("2", "Running"))),
            ),
            (
                News::Deleted(pod("2", "Running")),
                Some(News::Deleted(pod("2", "Running"))),
            ),
        ];
        for (news, expected) in rows {
            assert_eq!(sieve.pass(news.clone()), expected, "{news:?}");
        }
    }
}
