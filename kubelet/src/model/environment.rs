//! Where the variables of a container come from.

use super::{ObjectKind, Quantity};

/// One environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Where its value comes from.
    pub value: EnvValue,
}

/// Where the value of an environment variable comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvValue {
    /// Written in the manifest; `$(VAR)` not yet expanded.
    Literal(String),
    /// A field of the pod, for instance `status.podIP`.
    Field(String),
    /// What a container asks for or may use.
    Resource(ResourceField),
    /// A key of a ConfigMap or a Secret.
    Key(KeyReference),
    /// A line of a file that an earlier container wrote onto a volume.
    FileKey(FileKey),
}

/// A key of a ConfigMap or a Secret of the pod's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReference {
    /// Which of the two.
    pub kind: ObjectKind,
    /// The object's name.
    pub name: String,
    /// The key.
    pub key: String,
    /// Whether the variable is left out when there is no such key.
    pub optional: bool,
}

/// A line of a file on a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileKey {
    /// The volume's name.
    pub volume: String,
    /// The file inside the volume.
    pub path: String,
    /// The name before the `=`.
    pub key: String,
    /// Whether the variable is left out when there is no such line.
    pub optional: bool,
}

/// All keys of a ConfigMap or a Secret of the pod's namespace, each as a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFrom {
    /// Which of the two.
    pub kind: ObjectKind,
    /// The object's name.
    pub name: String,
    /// What is put before each key.
    pub prefix: String,
    /// Whether it may be missing.
    pub optional: bool,
}

/// What a container asks for or may use, as a number of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceField {
    /// How much.
    pub amount: Amount,
    /// Of what the number counts.
    pub divisor: Quantity,
}

/// How much of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// What the manifest says.
    Declared(Quantity),
    /// Without a limit, all that the node has for pods.
    Allocatable(NodeResource),
}

/// What a node has for pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeResource {
    /// CPU time.
    Cpu,
    /// Memory.
    Memory,
    /// The node's own disk.
    EphemeralStorage,
}
