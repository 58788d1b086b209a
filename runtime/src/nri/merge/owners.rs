//! Which plugin has set what.

use podling_proto::nri::{self as wire, Field};

use super::removed;

/// Two plugins that want different things.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugins {plugin:?} and {other:?} both tried to set {what}")]
pub(in crate::nri) struct Conflict {
    plugin: String,
    other: String,
    what: String,
}

/// Who has set each field of each container. A plugin that removed an entry is noted with a mark:
/// until it sets it anew, nobody else may.
#[derive(Clone, Debug, Default)]
pub(super) struct Owners(wire::OwningPlugins);

impl Owners {
    /// The same, as validators are told.
    pub(super) fn told(&self) -> wire::OwningPlugins {
        self.0.clone()
    }

    /// Notes that `plugin` has set a field.
    pub(super) fn claim(&mut self, id: &str, field: Field, plugin: &str) -> Result<(), Conflict> {
        let simple = &mut self.of(id).simple;
        check(simple.get(&(field as i32)), plugin, || {
            field.as_str_name().to_owned()
        })?;
        simple.insert(field as i32, plugin.to_owned());
        Ok(())
    }

    /// Notes that `plugin` has set an entry of a field.
    pub(super) fn claim_entry(
        &mut self,
        id: &str,
        field: Field,
        key: &str,
        plugin: &str,
    ) -> Result<(), Conflict> {
        let entries = &mut self.of(id).compound.entry(field as i32).or_default().owners;
        check(entries.get(key), plugin, || {
            format!("{} {key}", field.as_str_name())
        })?;
        entries.insert(key.to_owned(), plugin.to_owned());
        Ok(())
    }

    /// Notes that `plugin` has removed what was set, by whomever.
    pub(super) fn clear(&mut self, id: &str, field: Field, plugin: &str) {
        let simple = &mut self.of(id).simple;
        simple.insert(field as i32, format!("-{plugin}"));
    }

    /// Notes that `plugin` has removed an entry.
    pub(super) fn clear_entry(&mut self, id: &str, field: Field, key: &str, plugin: &str) {
        let entries = &mut self.of(id).compound.entry(field as i32).or_default().owners;
        entries.insert(key.to_owned(), format!("-{plugin}"));
    }

    /// Notes one of those who have added to a field that has no single owner.
    pub(super) fn join(&mut self, id: &str, field: Field, plugin: &str) {
        let owner = self.of(id).simple.entry(field as i32).or_default();
        if !owner.is_empty() {
            owner.push(',');
        }
        owner.push_str(plugin);
    }

    fn of(&mut self, id: &str) -> &mut wire::FieldOwners {
        self.0.owners.entry(id.to_owned()).or_default()
    }
}

fn check(
    owner: Option<&String>,
    plugin: &str,
    what: impl FnOnce() -> String,
) -> Result<(), Conflict> {
    match owner.map(|owner| (owner, removed(owner))) {
        None => Ok(()),
        Some((_, Some(clearer))) if clearer == plugin => Ok(()),
        Some((owner, clearer)) => Err(Conflict {
            plugin: plugin.to_owned(),
            other: clearer.unwrap_or(owner).to_owned(),
            what: what(),
        }),
    }
}
