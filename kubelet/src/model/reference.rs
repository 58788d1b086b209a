//! Which objects does a pod refer to?

use std::collections::BTreeSet;

use super::{Container, EnvValue, ObjectKey, Pod};

impl Pod {
    /// Every object whose change matters to the pod.
    pub fn references(&self) -> BTreeSet<ObjectKey> {
        let namespace = &self.name.namespace;
        self.spec
            .all_containers()
            .flat_map(|container| container.references(namespace))
            .collect()
    }
}

impl Container {
    /// Every object that the container's environment is made from, in the order of the manifest.
    pub fn references<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = ObjectKey> + 'a {
        let whole = self
            .env_from
            .iter()
            .map(|from| ObjectKey::new(from.kind, namespace, &from.name));
        let keys = self
            .env
            .iter()
            .filter_map(|variable| match &variable.value {
                EnvValue::Key(of) => Some(ObjectKey::new(of.kind, namespace, &of.name)),
                EnvValue::Literal(_)
                | EnvValue::Field(_)
                | EnvValue::Resource(_)
                | EnvValue::FileKey(_) => None,
            });
        whole.chain(keys)
    }
}
