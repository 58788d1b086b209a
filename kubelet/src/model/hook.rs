//! Hooks: what is done in a container right after its start, and right before its end.

use std::time::Duration;

use super::{ContainerPort, HttpGet, PortRef};

/// The hooks of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// Done right after its start; the container is ended when it fails.
    pub post_start: Option<Hook>,
    /// Done before it is told to end, within its grace period.
    pub pre_stop: Option<Hook>,
}

/// One hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Runs a command in the container.
    Exec(Vec<String>),
    /// Fetches a page; any answer will do.
    HttpGet(HttpGet),
    /// Waits.
    Sleep(Duration),
}

impl Hook {
    /// The same with its port as a number, if one of these ports has its name.
    pub fn resolved(mut self, ports: &[ContainerPort]) -> Self {
        if let Self::HttpGet(get) = &mut self
            && let Ok(number) = get.port.resolve(ports)
        {
            get.port = PortRef::Number(number);
        }
        self
    }
}
