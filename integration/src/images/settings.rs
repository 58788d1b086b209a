//! What an image says about how it is run.

use std::collections::BTreeMap;

use serde::Serialize;

/// The `config` object of an image's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Settings {
    /// User and group, by name or number.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Ports as `80/tcp`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, Nothing>,
    /// Environment as `NAME=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The program and its first arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Further arguments, or the command when there is no entrypoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Paths that want a volume.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Nothing>,
    /// Where the program starts.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The signal that asks the program to end.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
}

/// The format's sets are maps to empty objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Nothing {}

impl Settings {
    /// Sets the user.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    /// Adds a port such as `80/tcp`.
    #[must_use]
    pub fn port(mut self, port: &str) -> Self {
        self.exposed_ports.insert(port.to_owned(), Nothing {});
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push(format!("{name}={value}"));
        self
    }

    /// Sets the program and its first arguments.
    #[must_use]
    pub fn entrypoint<const N: usize>(mut self, words: [&str; N]) -> Self {
        self.entrypoint = words.map(str::to_owned).to_vec();
        self
    }

    /// Sets further arguments.
    #[must_use]
    pub fn cmd<const N: usize>(mut self, words: [&str; N]) -> Self {
        self.cmd = words.map(str::to_owned).to_vec();
        self
    }

    /// Adds a path that wants a volume.
    #[must_use]
    pub fn volume(mut self, path: &str) -> Self {
        self.volumes.insert(path.to_owned(), Nothing {});
        self
    }

    /// Sets where the program starts.
    #[must_use]
    pub fn working_dir(mut self, path: &str) -> Self {
        path.clone_into(&mut self.working_dir);
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets the signal that asks the program to end.
    #[must_use]
    pub fn stop_signal(mut self, signal: &str) -> Self {
        signal.clone_into(&mut self.stop_signal);
        self
    }
}
