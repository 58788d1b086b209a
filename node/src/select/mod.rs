//! Which objects are meant: by namespace, name, labels and fields.
//!
//! ```text
//! -n, NAME, -l, --field-selector ─► Selection ─► list: those that are taken
//!                                      └► Sieve ─► watch: what comes in, changes and goes out
//! ```
#![deny(clippy::disallowed_methods)]

mod fields;
mod labels;
mod sieve;
mod sort;

use serde_json::Value;

pub(crate) use fields::FieldSelector;
pub(crate) use labels::LabelSelector;
pub(crate) use sieve::{News, Sieve};
pub(crate) use sort::{SortError, sort_by};

use crate::resource::{name, namespace};

/// Which objects are meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selection {
    /// Of this namespace; without one of all, or of what has none.
    pub(crate) namespace: Option<String>,
    /// With these names, where a static pod's need not end with the node's; all if there are none.
    pub(crate) names: Vec<String>,
    /// With these labels.
    pub(crate) labels: LabelSelector,
    /// With these fields.
    pub(crate) fields: FieldSelector,
}

impl Selection {
    /// Whether this object is meant.
    pub(crate) fn takes(&self, object: &Value) -> bool {
        self.namespace
            .as_ref()
            .is_none_or(|wanted| namespace(object) == wanted)
            && (self.names.is_empty() || self.names.iter().any(|wanted| is_named(object, wanted)))
            && self.labels.takes(object)
            && self.fields.takes(object)
    }

    /// Whether one object is meant, not a list.
    pub(crate) fn is_of_one(&self) -> bool {
        self.names.len() == 1
    }
}

/// Whether an object has this name, be it that in a static pod's manifest.
pub(crate) fn is_named(object: &Value, wanted: &str) -> bool {
    let Some(rest) = name(object).strip_prefix(wanted) else {
        return false;
    };
    let node = object["spec"]["nodeName"].as_str().unwrap_or_default();
    let on_node = rest.strip_prefix('-');
    rest.is_empty() || on_node.is_some_and(|rest| !rest.is_empty() && rest == node)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_meant_by_namespace_name_labels_and_fields() {
        let pod = json!({
            "metadata": { "name": "web-node", "namespace": "a", "labels": { "app": "web" } },
            "spec": { "nodeName": "node" },
        });
        let selection = Selection {
            namespace: Some("a".to_owned()),
            names: vec!["web".to_owned()],
            labels: "app=web".parse().unwrap(),
            fields: "spec.nodeName=node".parse().unwrap(),
        };
        assert!(selection.takes(&pod));
        let others = [
            Selection {
                namespace: Some("b".to_owned()),
                ..selection.clone()
            },
            Selection {
                names: vec!["we".to_owned()],
                ..selection.clone()
            },
            Selection {
                labels: "app!=web".parse().unwrap(),
                ..selection.clone()
            },
            Selection {
                fields: "spec.nodeName!=node".parse().unwrap(),
                ..selection
            },
        ];
        for other in others {
            assert!(!other.takes(&pod), "{other:?}");
        }
        assert!(Selection::default().takes(&pod));
    }

    #[test]
    fn a_static_pod_has_two_names() {
        let pod = json!({ "metadata": { "name": "web-node" }, "spec": { "nodeName": "node" } });
        assert!(is_named(&pod, "web") && is_named(&pod, "web-node"));
        assert!(!is_named(&pod, "web-") && !is_named(&pod, "web-nod"));
        assert!(!is_named(&json!({ "metadata": { "name": "web-" } }), "web"));
    }
}
