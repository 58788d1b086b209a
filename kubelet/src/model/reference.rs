//! Which objects does a pod refer to?

use std::collections::BTreeSet;

use super::{
    Container, EnvValue, FilesSource, ObjectKey, ObjectKind, PersistentSource, Pod, SecretName,
    VolumeSource,
};

impl Pod {
    /// Every object whose change matters to the pod.
    pub fn references(&self) -> BTreeSet<ObjectKey> {
        let namespace = &self.name.namespace;
        let containers = self.spec.all_containers();
        containers
            .flat_map(|container| container.references(namespace))
            .chain(self.volume_references())
            .chain(self.runtime_class())
            .chain(self.pull_secrets())
            .collect()
    }

    /// The Secrets that its images may be pulled with.
    fn pull_secrets(&self) -> impl Iterator<Item = ObjectKey> {
        let names = self.spec.pull_secrets.iter();
        names.map(|name| ObjectKey::new(ObjectKind::Secret, &self.name.namespace, name))
    }

    /// The way the pod is run, if it asks for one.
    pub fn runtime_class(&self) -> Option<ObjectKey> {
        let name = self.spec.runtime_class.as_deref()?;
        Some(ObjectKey::new(ObjectKind::RuntimeClass, "", name))
    }

    /// Every object that the pod's volumes are made from; a claim, and not what it is bound to.
    pub fn volume_references(&self) -> impl Iterator<Item = ObjectKey> {
        let namespace = &self.name.namespace;
        self.spec
            .volumes
            .iter()
            .flat_map(|volume| volume.source.references(namespace))
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

impl VolumeSource {
    fn references(&self, namespace: &str) -> Vec<ObjectKey> {
        let of_files = |source: &FilesSource| match source {
            FilesSource::Object(of) => Some(ObjectKey::new(of.kind, namespace, &of.name)),
            FilesSource::Downward(_) => None,
            FilesSource::Token { request, .. } => Some(request.key(namespace)),
            FilesSource::Trust { .. } => Some(ObjectKey::trust_bundles()),
            FilesSource::Certificate { wish, .. } => Some(wish.key(namespace)),
        };
        match self {
            Self::Files(files) => files.sources.iter().filter_map(of_files).collect(),
            Self::Claim { name, .. } => {
                let kind = ObjectKind::PersistentVolumeClaim;
                vec![ObjectKey::new(kind, namespace, name)]
            }
            Self::Csi(csi) => {
                let driver = ObjectKey::new(ObjectKind::CsiDriver, "", &csi.driver);
                let secret = csi.publish_secret.iter();
                let secret = secret.map(|name| ObjectKey::new(ObjectKind::Secret, namespace, name));
                secret.chain([driver]).collect()
            }
            Self::InTree { volume, .. } => match &volume.source {
                PersistentSource::Csi(csi) => {
                    let driver = ObjectKey::new(ObjectKind::CsiDriver, "", &csi.driver);
                    let secrets = [&csi.stage_secret, &csi.publish_secret];
                    let secrets = secrets.into_iter().flatten().map(SecretName::key);
                    secrets.chain([driver]).collect()
                }
                _ => Vec::new(),
            },
            Self::EmptyDir { .. }
            | Self::HostPath { .. }
            | Self::Image { .. }
            | Self::NotHandled { .. } => Vec::new(),
        }
    }
}
