//! Which attached volumes are in use: nobody may detach them.

use std::collections::BTreeSet;

use tokio::sync::watch;

use super::place::{Name, unique_name};

/// Volumes by what a Node's status calls them.
#[derive(Debug, Default)]
pub(super) struct Uses(watch::Sender<BTreeSet<String>>);

impl Uses {
    /// These are in use.
    pub(super) fn of<'a>(names: impl Iterator<Item = &'a Name>) -> Self {
        let all = names.map(|name| unique_name(&name.driver, &name.handle));
        Self(watch::Sender::new(all.collect()))
    }

    /// It will be used.
    pub(super) fn begin(&self, name: &Name) {
        let name = unique_name(&name.driver, &name.handle);
        self.0.send_if_modified(|all| all.insert(name));
    }

    /// It is not used any more.
    pub(super) fn end(&self, name: &Name) {
        let name = unique_name(&name.driver, &name.handle);
        self.0.send_if_modified(|all| all.remove(&name));
    }

    /// Is told what is in use.
    pub(super) fn watch(&self) -> watch::Receiver<BTreeSet<String>> {
        self.0.subscribe()
    }
}
