//! What a container mounts: its pod's volumes, parts of them, and images.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::environment::value_of;
use super::executor::PodExecutor;
use super::expand::expand_known;
use super::images::Wanted;
use super::report::Reporter;
use super::sandbox::Standing;
use super::start::absolute;
use crate::cri::{self, ImageMount, ImageReference};
use crate::model::{
    Container, MountPropagation, Pod, RecursiveReadOnly, StartFailure, VolumeMount, VolumePath,
    VolumeSource,
};
use crate::volume::{Mounted, SubPath};

/// What the volumes of a pod are, for one of its containers.
#[derive(Clone, Copy)]
pub(super) struct VolumesOf<'a> {
    /// Those on the host.
    pub(super) standing: &'a Standing,
    /// Images, by volume.
    pub(super) shown: &'a BTreeMap<String, ImageReference>,
}

impl PodExecutor {
    /// The images that the container mounts, pulled if they must be, by volume.
    pub(super) async fn image_volumes(
        &self,
        pod: &Pod,
        container: &Container,
        standing: &Standing,
        report: &Reporter<'_>,
    ) -> Result<BTreeMap<String, ImageReference>, StartFailure> {
        let mut shown = BTreeMap::new();
        for volume in &pod.spec.volumes {
            let VolumeSource::Image {
                reference,
                pull_policy,
            } = &volume.source
            else {
                continue;
            };
            if !container.mounts.iter().any(|one| one.volume == volume.name) {
                continue;
            }
            let wanted = Wanted {
                written: reference,
                policy: *pull_policy,
            };
            let starts = self.metrics.starts();
            starts.image_volume();
            let ensured = self.images.ensure(pod, wanted, standing, report).await;
            starts.image_volume_done(&ensured);
            let image = ImageReference {
                image: ensured?.id,
                user_specified: reference.clone(),
            };
            shown.insert(volume.name.clone(), image);
        }
        Ok(shown)
    }

    /// The volumes the container mounts.
    pub(super) async fn volume_mounts(
        &self,
        pod: &Pod,
        container: &Container,
        env: &[cri::EnvVar],
        volumes: VolumesOf<'_>,
    ) -> Result<Vec<cri::Mount>, String> {
        let mut mounts = Vec::with_capacity(container.mounts.len());
        for (index, mount) in container.mounts.iter().enumerate() {
            let sub_path = sub_path(mount, env)?;
            let made = match volumes.shown.get(&mount.volume) {
                Some(image) => image_mount(mount, image, sub_path),
                None => {
                    let place = Place {
                        pod,
                        container,
                        index,
                    };
                    self.host_mount(place, mount, sub_path, volumes.standing)
                        .await?
                }
            };
            mounts.push(made);
        }
        Ok(mounts)
    }

    async fn host_mount(
        &self,
        place: Place<'_>,
        mount: &VolumeMount,
        sub_path: Option<String>,
        standing: &Standing,
    ) -> Result<cri::Mount, String> {
        let Place {
            pod,
            container,
            index,
        } = place;
        let volume = standing.volumes.get(&mount.volume).ok_or_else(|| {
            let (volume, container) = (&mount.volume, &container.name);
            format!("cannot find volume {volume:?} to mount into container {container:?}")
        })?;
        let host_path = match sub_path {
            None => volume.path.clone(),
            Some(path) => {
                let sub_path = SubPath {
                    uid: pod.uid.clone(),
                    volume: mount.volume.clone(),
                    volume_path: volume.path.clone(),
                    container: container.name.clone(),
                    index,
                    path,
                };
                self.bind_sub_path(sub_path).await?
            }
        };
        Ok(cri::Mount {
            container_path: absolute(&mount.path),
            host_path: host_path.display().to_string(),
            read_only: mount.read_only || volume.read_only,
            recursive_read_only: self
                .recursive_read_only(mount, &standing.identity.handler)
                .await?,
            selinux_relabel: volume.is_relabelled && self.node.has_selinux,
            propagation: propagation(mount.propagation),
            image: None,
        })
    }

    /// Why it cannot be is for who looks after the node, not for who wrote the pod.
    async fn bind_sub_path(&self, sub_path: SubPath) -> Result<PathBuf, String> {
        let volumes = self.volumes.clone();
        let message = format!(
            "failed to prepare subPath for volumeMount {:?} of container {:?}",
            sub_path.volume, sub_path.container
        );
        let path = sub_path.path.clone();
        let bound = tokio::task::spawn_blocking(move || volumes.bind_sub_path(&sub_path)).await;
        bound
            .map_err(|panicked| panicked.to_string())?
            .map_err(|error| {
                tracing::warn!(path, %error, "{message}");
                message
            })
    }

    async fn recursive_read_only(
        &self,
        mount: &VolumeMount,
        handler: &str,
    ) -> Result<bool, String> {
        if mount.recursive_read_only == RecursiveReadOnly::Disabled {
            return Ok(false);
        }
        let features = self.runtime.features().await.map_err(|error| {
            format!(
                "cannot ask the runtime what it can: {}",
                error.explanation()
            )
        })?;
        let can = features.handler(handler).recursive_read_only;
        if mount.recursive_read_only == RecursiveReadOnly::Enabled && !can {
            return Err(format!(
                "failed to resolve recursive read-only mode: volume {:?} requested recursive \
                 read-only mode, but it is not supported by the runtime",
                mount.volume
            ));
        }
        Ok(can)
    }
}

/// The volumes that the container sees as devices.
pub(super) fn devices(
    container: &Container,
    volumes: &BTreeMap<String, Mounted>,
) -> Result<Vec<cri::Device>, String> {
    let devices = container.devices.iter().map(|device| {
        let (volume, name) = (&device.volume, &container.name);
        let mounted = volumes.get(volume).ok_or_else(|| {
            format!("cannot find volume {volume:?} to pass into container {name:?}")
        })?;
        // Where it is may be a link to it.
        let path = mounted.path.canonicalize();
        let path = path.map_err(|error| {
            format!("cannot find the device of volume {volume:?} for container {name:?}: {error}")
        })?;
        Ok(cri::Device {
            container_path: absolute(&device.path),
            host_path: path.display().to_string(),
            permissions: if mounted.read_only { "r" } else { "mrw" }.to_owned(),
        })
    });
    devices.collect()
}

/// Which mount of which container.
struct Place<'a> {
    pod: &'a Pod,
    container: &'a Container,
    index: usize,
}

fn image_mount(
    mount: &VolumeMount,
    image: &ImageReference,
    sub_path: Option<String>,
) -> cri::Mount {
    cri::Mount {
        container_path: absolute(&mount.path),
        host_path: String::new(),
        read_only: true,
        recursive_read_only: false,
        selinux_relabel: false,
        propagation: cri::MountPropagation::Private,
        image: Some(ImageMount {
            image: image.clone(),
            sub_path: sub_path.unwrap_or_default(),
        }),
    }
}

/// The path inside the volume, with its variables expanded.
fn sub_path(mount: &VolumeMount, env: &[cri::EnvVar]) -> Result<Option<String>, String> {
    let path = match &mount.sub_path {
        None => return Ok(None),
        Some(VolumePath::Literal(path)) => path.clone(),
        Some(VolumePath::Expression(text)) => expand_known(text, |name| value_of(env, name))
            .map_err(|name| format!("missing value for {name:?}"))?,
    };
    if path.starts_with('/') {
        return Err(format!(
            "error SubPath `{path}` must not be an absolute path"
        ));
    }
    if path.split('/').any(|part| part == "..") {
        return Err(format!(
            "unable to provision SubPath `{path}`: must not contain '..'"
        ));
    }
    Ok(Some(path).filter(|path| !path.is_empty()))
}

fn propagation(of: MountPropagation) -> cri::MountPropagation {
    match of {
        MountPropagation::None => cri::MountPropagation::Private,
        MountPropagation::HostToContainer => cri::MountPropagation::HostToContainer,
        MountPropagation::Bidirectional => cri::MountPropagation::Bidirectional,
    }
}
