//! What is said about a unit: a name of systemd's and a value of one of D-Bus' types.

#![deny(clippy::disallowed_methods)]

/// One property of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// As `systemctl show` has it.
    pub name: &'static str,
    /// What it is to be.
    pub value: Value,
}

/// A value with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `b`
    Truth(bool),
    /// `s`
    Text(String),
    /// `as`
    Texts(Vec<String>),
    /// `t`
    Number(u64),
    /// `au`
    Pids(Vec<u32>),
}

impl Property {
    /// A property that is on or off.
    pub fn truth(name: &'static str, value: bool) -> Self {
        let value = Value::Truth(value);
        Self { name, value }
    }

    /// A word, or a sentence.
    pub fn text(name: &'static str, value: &str) -> Self {
        let value = Value::Text(value.to_owned());
        Self { name, value }
    }

    /// An amount; `u64::MAX` is "no limit" to systemd.
    pub fn number(name: &'static str, value: u64) -> Self {
        let value = Value::Number(value);
        Self { name, value }
    }

    /// Processes that begin in the unit.
    pub fn pids(pids: &[u32]) -> Self {
        let value = Value::Pids(pids.to_owned());
        Self {
            name: "PIDs",
            value,
        }
    }
}

impl Value {
    /// D-Bus' word for its type.
    pub(crate) fn signature(&self) -> &'static str {
        match self {
            Self::Truth(_) => "b",
            Self::Text(_) => "s",
            Self::Texts(_) => "as",
            Self::Number(_) => "t",
            Self::Pids(_) => "au",
        }
    }
}
