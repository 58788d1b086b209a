//! The kinds of objects that a node shows.
#![deny(clippy::disallowed_methods)]

use serde_json::Value;

/// A kind of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// The pods of this node.
    Pods,
    /// This node.
    Nodes,
    /// What happened to pods.
    Events,
}

impl Resource {
    /// Where the kubelet shows them.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Pods => "/pods",
            Self::Nodes => "/node",
            Self::Events => "/events",
        }
    }

    /// What one is called.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pods => "pod",
            Self::Nodes => "node",
            Self::Events => "event",
        }
    }

    /// What several are called.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Nodes => "nodes",
            Self::Events => "events",
        }
    }

    /// Whether they have namespaces.
    pub(crate) fn is_namespaced(self) -> bool {
        !matches!(self, Self::Nodes)
    }
}

/// Whether this is a word for objects of a kind.
pub(crate) fn is_kind(resource: Resource, word: &str) -> bool {
    let word = word.to_lowercase();
    word == resource.word()
        || word == resource.words()
        || (resource.word().starts_with(&word) && word.len() == 2)
}

/// `pod/web` or `web` as `web`; `pods` alone is no name.
pub(crate) fn bare_name(resource: Resource, word: &str) -> Option<&str> {
    match word.split_once('/') {
        Some((kind, name)) if is_kind(resource, kind) => Some(name),
        Some(_) => Some(word),
        None if is_kind(resource, word) => None,
        None => Some(word),
    }
}

/// The name of an object.
pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// The namespace of an object.
pub(crate) fn namespace(object: &Value) -> &str {
    let namespace = object["metadata"]["namespace"].as_str();
    namespace.unwrap_or("default")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_may_stand_before_a_name() {
        let bare = |word| bare_name(Resource::Pods, word);
        assert_eq!(bare("pod/web"), Some("web"));
        assert_eq!(bare("web"), Some("web"));
        assert_eq!(bare("pods"), None);
        assert_eq!(bare("deployment/web"), Some("deployment/web"));
    }
}
