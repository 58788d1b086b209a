//! The images that a container's mounts show.

use std::path::PathBuf;

use super::error::LifecycleError;
use super::pod::Pod;
use crate::image::Lease;
use crate::model::ContainerConfig;
use crate::model::config::ImageSource;
use crate::model::container::ImageVolume;
use crate::snapshot::ImageTree;

/// One of them, found.
#[derive(Debug)]
pub(super) struct Found {
    container_path: String,
    sub_path: String,
    image: Lease,
}

/// Finds the image of every mount that names one, and keeps it. It must be here: who asks has pulled it.
pub(super) async fn find(
    pod: &Pod,
    config: &ContainerConfig,
) -> Result<Vec<Found>, LifecycleError> {
    let mut found = Vec::new();
    for mount in &config.mounts {
        let Some(ImageSource {
            image, sub_path, ..
        }) = &mount.image
        else {
            continue;
        };
        let leased = pod.parts.images.lease(image);
        let image = leased.ok_or_else(|| LifecycleError::NotFound {
            kind: "image",
            id: image.clone(),
        })?;
        let one = Found {
            container_path: mount.container_path.clone(),
            sub_path: sub_path.clone(),
            image,
        };
        check_sub_path(pod, &one).await?;
        found.push(one);
    }
    Ok(found)
}

async fn check_sub_path(pod: &Pod, volume: &Found) -> Result<(), LifecycleError> {
    let Found {
        sub_path, image, ..
    } = volume;
    if sub_path.is_empty() {
        return Ok(());
    }
    let looked = pod.parts.images.has_path(image, sub_path).await;
    let attempted = || format!("look for {sub_path:?} in image {}", image.id);
    match looked.map_err(|error| LifecycleError::failed(attempted(), error))? {
        true => Ok(()),
        false => Err(LifecycleError::Invalid(format!(
            "mount at {:?}: image {} has no {sub_path:?}",
            volume.container_path, image.id
        ))),
    }
}

/// For the container's record.
pub(super) fn recorded(found: &[Found]) -> Vec<ImageVolume> {
    let volume = |one: &Found| ImageVolume {
        container_path: one.container_path.clone(),
        image_id: one.image.id.to_string(),
    };
    found.iter().map(volume).collect()
}

/// For podling-launch, which mounts them.
pub(super) fn trees(found: &[Found]) -> Vec<ImageTree> {
    let tree = |one: &Found| ImageTree {
        // As the spec has it: compared component by component.
        destination: PathBuf::from(&one.container_path).components().collect(),
        lower: one.image.layers.iter().rev().cloned().collect(),
        sub_path: one.sub_path.clone(),
    };
    found.iter().map(tree).collect()
}
