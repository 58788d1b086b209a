//! Looks up what a container's environment is made from: objects, and files on volumes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::environment::{FoundFile, LookedUp};
use super::executor::{PodExecutor, ServiceVariables};
use super::payload::Objects;
use crate::model::{Container, EnvValue, FileKey, ObjectKey, Pod, PodOrigin};
use crate::volume::{Mounted, read_inside};

impl PodExecutor {
    /// Everything that the container's environment refers to.
    pub(super) async fn look_up(
        &self,
        pod: &Pod,
        container: &Container,
        volumes: &BTreeMap<String, Mounted>,
    ) -> LookedUp {
        let keys = container.references(&pod.name.namespace);
        let mut looked_up = LookedUp {
            objects: self.look_up_objects(pod, keys).await,
            services: self.services_of(pod),
            ..LookedUp::default()
        };
        for of in file_keys(container) {
            if let Some(volume) = volumes.get(&of.volume) {
                let place = (of.volume.clone(), of.path.clone());
                looked_up.files.insert(place, read(&volume.path, of).await);
            }
        }
        looked_up
    }

    /// Containers of a cluster are told of its services, or do not start.
    pub(super) fn services_are_known(&self, pod: &Pod) -> Result<(), String> {
        let is_known = |services: &Arc<dyn ServiceVariables>| {
            services.of(&pod.name.namespace, false).is_some()
        };
        match self.services.as_ref().is_none_or(is_known) || pod.origin != PodOrigin::Api {
            true => Ok(()),
            false => Err(
                "services have not yet been read at least once, cannot construct envvars"
                    .to_owned(),
            ),
        }
    }

    /// What the pod's containers are told of services; nothing without a cluster.
    fn services_of(&self, pod: &Pod) -> Vec<(String, String)> {
        let spec = pod.manifest.spec.as_ref();
        let links = spec
            .and_then(|spec| spec.enable_service_links)
            .unwrap_or(true);
        let services = self.services.as_ref();
        let told = services.and_then(|services| services.of(&pod.name.namespace, links));
        told.unwrap_or_default()
    }

    /// The objects, each asked for once.
    pub(super) async fn look_up_objects(
        &self,
        pod: &Pod,
        keys: impl Iterator<Item = ObjectKey>,
    ) -> Objects {
        let keys: BTreeSet<_> = keys.collect();
        let mut objects = Objects::new();
        for key in keys {
            let found = self.objects.get(&pod.uid, &key).await;
            objects.insert(key, found);
        }
        objects
    }
}

fn file_keys(container: &Container) -> impl Iterator<Item = &FileKey> {
    container
        .env
        .iter()
        .filter_map(|variable| match &variable.value {
            EnvValue::FileKey(of) => Some(of),
            EnvValue::Literal(_)
            | EnvValue::Field(_)
            | EnvValue::Resource(_)
            | EnvValue::Key(_) => None,
        })
}

async fn read(volume: &std::path::Path, of: &FileKey) -> FoundFile {
    let (volume, path) = (volume.to_owned(), of.path.clone());
    let place = volume.join(&path);
    let read = tokio::task::spawn_blocking(move || read_inside(&volume, &path)).await;
    FoundFile {
        path: place,
        text: read.unwrap_or_else(|panicked| Err(std::io::Error::other(panicked))),
    }
}
