//! What a pod's logs and volumes take.

use std::fs;
use std::path::Path;

use k8s_openapi::api::core::v1 as core;

use super::rank::{Space, Usage};
use super::read::space;
use crate::layout::Layout;
use crate::model::{ContainerName, PodName, PodUid};

/// Adds a pod's logs and volumes to what the runtime has said of it.
pub(super) fn measure(layout: &Layout, pod: &core::Pod, usage: &mut Usage) {
    let metadata = &pod.metadata;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let name = PodName::new(&text(&metadata.namespace), &text(&metadata.name));
    let uid = PodUid::from(text(&metadata.uid).as_str());
    for (container, of_it) in &mut usage.containers {
        let container = ContainerName::from(container.as_str());
        of_it.logs = files(&layout.container_log(&name, &uid, &container));
    }
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    for volume in volumes {
        let on_disk = volume.empty_dir.as_ref().filter(|dir| {
            let medium = dir.medium.as_deref().unwrap_or_default();
            medium.is_empty()
        });
        if on_disk.is_some() {
            let space = space(&layout.empty_dir(&uid, &volume.name));
            usage.volumes.insert(volume.name.clone(), space);
        }
    }
}

/// The sizes of the files in a directory.
fn files(directory: &Path) -> Space {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| entry.metadata().ok());
    sizes.fold(Space::default(), |sum, file| Space {
        bytes: sum.bytes + file.len(),
        inodes: sum.inodes + 1,
    })
}
