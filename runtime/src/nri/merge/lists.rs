//! Lists and maps whose entries have keys: an entry with a marked key removes.

use std::collections::{BTreeMap, BTreeSet};

use podling_proto::nri::{self as wire, Field};

use super::owners::{Conflict, Owners};
use super::removed;

/// Whose wish it is, of which container, and who has had wishes before.
pub(super) struct Turn<'a> {
    pub(super) owners: &'a mut Owners,
    pub(super) id: &'a str,
    pub(super) plugin: &'a str,
}

impl Turn<'_> {
    pub(super) fn claim(&mut self, field: Field) -> Result<(), Conflict> {
        self.owners.claim(self.id, field, self.plugin)
    }

    pub(super) fn claim_entry(&mut self, field: Field, key: &str) -> Result<(), Conflict> {
        self.owners.claim_entry(self.id, field, key, self.plugin)
    }

    pub(super) fn clear_entry(&mut self, field: Field, key: &str) {
        self.owners.clear_entry(self.id, field, key, self.plugin);
    }
}

/// Something with a key that may be marked.
pub(super) trait Entry: Clone {
    fn key(&self) -> &str;
}

impl Entry for wire::Mount {
    fn key(&self) -> &str {
        &self.destination
    }
}

impl Entry for wire::LinuxDevice {
    fn key(&self) -> &str {
        &self.path
    }
}

impl Entry for wire::LinuxNamespace {
    fn key(&self) -> &str {
        &self.r#type
    }
}

impl Entry for wire::KeyValue {
    fn key(&self) -> &str {
        &self.key
    }
}

impl Entry for wire::PosixRlimit {
    fn key(&self) -> &str {
        &self.r#type
    }
}

impl Entry for wire::CdiDevice {
    fn key(&self) -> &str {
        &self.name
    }
}

/// Takes entries into `result`, the wishes of all plugins, and into `seen`, the container as the next
/// plugin sees it.
pub(super) fn list<T: Entry>(
    turn: &mut Turn<'_>,
    field: Field,
    wanted: Vec<T>,
    result: &mut Vec<T>,
    seen: &mut Vec<T>,
) -> Result<(), Conflict> {
    let (gone, set) = split(&wanted);
    for entry in result.iter().filter(|entry| gone.contains(entry.key())) {
        turn.clear_entry(field, entry.key());
    }
    for entry in wanted.iter().filter(|entry| removed(entry.key()).is_none()) {
        turn.claim_entry(field, entry.key())?;
    }
    let stays = |entry: &T| {
        let key = removed(entry.key()).unwrap_or(entry.key());
        !gone.contains(key) && !set.contains(key)
    };
    result.retain(stays);
    seen.retain(stays);
    for entry in wanted {
        match removed(entry.key()) {
            // What is set anew need not be removed first.
            Some(key) if set.contains(key) => {}
            Some(_) => result.push(entry),
            None => {
                seen.push(entry.clone());
                result.push(entry);
            }
        }
    }
    Ok(())
}

/// The same for a map.
pub(super) fn map<V: Clone + Default>(
    turn: &mut Turn<'_>,
    field: Field,
    wanted: BTreeMap<String, V>,
    result: &mut BTreeMap<String, V>,
    seen: &mut BTreeMap<String, V>,
) -> Result<(), Conflict> {
    let (gone, set): (BTreeMap<_, _>, BTreeMap<_, _>) = wanted
        .into_iter()
        .partition(|(key, _)| removed(key).is_some());
    for (mark, _) in gone {
        let key = removed(&mark).unwrap_or_default();
        if result.remove(key).is_some() {
            turn.clear_entry(field, key);
        }
        seen.remove(key);
        result.insert(mark, V::default());
    }
    for (key, value) in set {
        turn.claim_entry(field, &key)?;
        result.remove(&format!("-{key}"));
        seen.insert(key.clone(), value.clone());
        result.insert(key, value);
    }
    Ok(())
}

/// The same for the environment, which containers have as text.
pub(super) fn env(
    turn: &mut Turn<'_>,
    wanted: Vec<wire::KeyValue>,
    result: &mut Vec<wire::KeyValue>,
    seen: &mut Vec<String>,
) -> Result<(), Conflict> {
    let variable = |text: &String| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        wire::KeyValue {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    };
    let mut variables = seen.iter().map(variable).collect();
    list(turn, Field::Env, wanted, result, &mut variables)?;
    let text = |one: wire::KeyValue| format!("{}={}", one.key, one.value);
    *seen = variables.into_iter().map(text).collect();
    Ok(())
}

/// The keys that are removed, and those that are set.
fn split<T: Entry>(wanted: &[T]) -> (BTreeSet<String>, BTreeSet<String>) {
    let keys = wanted.iter().map(Entry::key);
    let gone = keys.clone().filter_map(removed).map(str::to_owned);
    let set = keys.filter(|key| removed(key).is_none()).map(str::to_owned);
    (gone.collect(), set.collect())
}
