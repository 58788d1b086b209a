//! Which objects does a pod refer to?

use std::collections::BTreeSet;

use super::{Container, EnvValue, FilesSource, ObjectKey, Pod, VolumeSource};

impl Pod {
    /// Every object whose change matters to the pod.
    pub fn references(&self) -> BTreeSet<ObjectKey> {
        let namespace = &self.name.namespace;
        let containers = self.spec.all_containers();
        containers
            .flat_map(|container| container.references(namespace))
            .chain(self.volume_references())
            .collect()
    }

    /// Every object that the pod's volumes are made from.
    pub fn volume_references(&self) -> impl Iterator<Item = ObjectKey> {
        let sources = self.spec.volumes.iter().flat_map(|volume| {
            let sources = match &volume.source {
                VolumeSource::Files(files) => files.sources.as_slice(),
                VolumeSource::EmptyDir { .. }
                | VolumeSource::HostPath { .. }
                | VolumeSource::Image { .. }
                | VolumeSource::NotHandled { .. } => &[],
            };
            sources.iter()
        });
        sources.filter_map(|source| match source {
            FilesSource::Object(of) => {
                Some(ObjectKey::new(of.kind, &self.name.namespace, &of.name))
            }
            FilesSource::Downward(_) => None,
        })
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
