//! Which node a pod is for, and how much it matters there.

use super::StringMap;

/// From this priority on a pod is critical: others make room for it.
pub const SYSTEM_CRITICAL_PRIORITY: i32 = 2_000_000_000;

/// How much a pod matters, by its number or by the name of one of the two classes that every cluster has;
/// an API server would have looked the others up.
pub fn priority_of(number: Option<i32>, class: Option<&str>) -> i32 {
    let of_class = match class {
        Some("system-node-critical") => SYSTEM_CRITICAL_PRIORITY + 1000,
        Some("system-cluster-critical") => SYSTEM_CRITICAL_PRIORITY,
        Some(_) | None => 0,
    };
    number.unwrap_or(of_class)
}

/// Which node a pod is for, and how much it matters there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// The higher, the longer it stays.
    pub priority: i32,
    /// The name that the priority was given by.
    pub priority_class: Option<String>,
    /// Labels that the node must have.
    pub node_selector: StringMap,
    /// Of these the node must match one; `None` is any node.
    pub node_terms: Option<Vec<NodeTerm>>,
    /// The operating system it is made for.
    pub os: Option<String>,
}

impl Placement {
    /// Whether others make room for it.
    pub fn is_critical(&self) -> bool {
        self.priority >= SYSTEM_CRITICAL_PRIORITY
    }

    /// Whether the node cannot do without it.
    pub fn is_node_critical(&self) -> bool {
        self.is_critical() && self.priority_class.as_deref() == Some("system-node-critical")
    }
}

/// Requirements that must all hold; none at all match no node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeTerm {
    /// Of the node's labels.
    pub labels: Vec<NodeRequirement>,
    /// Of the node's name.
    pub fields: Vec<NodeRequirement>,
}

/// What must hold for one label of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRequirement {
    /// Which label.
    pub key: String,
    /// What must hold.
    pub operator: NodeOperator,
    /// For which values.
    pub values: Vec<String>,
}

/// What must hold for a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeOperator {
    /// It is there, with one of the values.
    In,
    /// It is not there, or has none of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
    /// It is a number greater than the value.
    Gt,
    /// It is a number less than the value.
    Lt,
}
