//! CreateContainer: everything that can be decided before the start is decided and written down
//! here, so that StartContainer only carries out.

use super::bundle::{self, Bundle};
use super::error::{BoxError, LifecycleError, chain};
use super::events::EventKind;
use super::pod::Pod;
use super::{clock, image_volumes, nri, paths, random};
use crate::failpoint;
use crate::image::{ImageRecord, Lease};
use crate::metrics::Phase;
use crate::model::container::User;
use crate::model::{ContainerConfig, ContainerId, ContainerRecord, ContainerState};
use crate::snapshot::ImageTree;

/// Makes a container. Asking again with the same name and attempt gives the same container.
pub(super) async fn create(
    pod: &mut Pod,
    config: ContainerConfig,
) -> Result<ContainerId, LifecycleError> {
    if let Some(id) = existing(pod, &config)? {
        return Ok(id);
    }
    let pause_pid = match pod.sandbox.state {
        crate::model::SandboxState::Ready { pause_pid, .. } => pause_pid,
        _ => {
            return Err(LifecycleError::WrongState(format!(
                "sandbox {} is not ready",
                pod.sandbox.id
            )));
        }
    };
    // Let go only when the container is recorded and told: it is that which keeps the images then.
    let image = lease_image(pod, &config)?;
    let volumes = image_volumes::find(pod, &config).await?;
    let id = ContainerId::from_random(random::bytes());
    reserve(pod, &id, config, &image, &volumes)?;
    failpoint::reach("create_container.reserved");
    let trees = image_volumes::trees(&volumes);
    let underway = pod.parts.nri.underway().await;
    let made = match prepare(pod, &id, &image, trees, pause_pid).await {
        Ok(prepared) => record(pod, &id, prepared),
        Err(error) => Err(error),
    };
    if let Err(error) = made {
        nri::container_undone(pod, &id).await;
        forget(pod, &id);
        return Err(error);
    }
    drop(underway);
    failpoint::reach("create_container.created");
    pod.tell(id.as_str(), EventKind::Created);
    nri::container_created(pod, &id).await;
    Ok(id)
}

/// The container that an earlier try of this request made, if it is still to be started.
fn existing(pod: &Pod, config: &ContainerConfig) -> Result<Option<ContainerId>, LifecycleError> {
    let metadata = &config.metadata;
    let same = pod
        .containers
        .values()
        .find(|container| container.config.metadata == *metadata);
    match same {
        None => Ok(None),
        Some(container) if container.state == ContainerState::Created => {
            Ok(Some(container.id.clone()))
        }
        Some(container) => Err(LifecycleError::NameTaken(format!(
            "container {:?}, attempt {}, exists and was started: {}; use another attempt or remove it",
            metadata.name, metadata.attempt, container.id,
        ))),
    }
}

fn lease_image(pod: &Pod, config: &ContainerConfig) -> Result<Lease, LifecycleError> {
    pod.parts
        .images
        .lease(&config.image)
        .ok_or_else(|| LifecycleError::NotFound {
            kind: "image",
            id: config.image.clone(),
        })
}

fn reserve(
    pod: &mut Pod,
    id: &ContainerId,
    config: ContainerConfig,
    image: &ImageRecord,
    volumes: &[image_volumes::Found],
) -> Result<(), LifecycleError> {
    let image_id = image.id.to_string();
    let record = ContainerRecord {
        id: id.clone(),
        sandbox_id: pod.sandbox.id.clone(),
        config,
        image_ref: image
            .repo_digests
            .first()
            .cloned()
            .unwrap_or_else(|| image_id.clone()),
        image_id,
        stop_signal: 0,
        user: User::default(),
        image_volumes: image_volumes::recorded(volumes),
        created_at: clock::now(),
        state: ContainerState::Reserved,
    };
    let created = pod.parts.store.containers.create(&record);
    pod.containers.insert(id.clone(), record);
    created.map_err(|error| {
        forget(pod, id);
        LifecycleError::failed("record the container", error)
    })
}

fn record(
    pod: &mut Pod,
    id: &ContainerId,
    prepared: bundle::Prepared,
) -> Result<(), LifecycleError> {
    failpoint::reach("create_container.prepared");
    if let Some(container) = pod.containers.get_mut(id) {
        container.stop_signal = prepared.stop_signal;
        container.user = prepared.user;
        container.config.resources = prepared.resources;
    }
    pod.set_container(id, ContainerState::Created)
}

async fn prepare(
    pod: &Pod,
    id: &ContainerId,
    image: &ImageRecord,
    volumes: Vec<ImageTree>,
    pause_pid: i32,
) -> Result<bundle::Prepared, LifecycleError> {
    let metrics = &pod.parts.metrics;
    let reading = pod.parts.images.accounts(image);
    let accounts = metrics.phase(Phase::ContainerImage, reading).await;
    let accounts =
        accounts.map_err(|error| LifecycleError::failed("read the image's accounts", error))?;
    let container = pod.container(id)?.clone();
    let bundle = Bundle::of(pod, container, image.clone(), accounts, pause_pid)?;
    let bundle = bundle.with_images(volumes);
    if !pod.parts.nri.is_active() {
        let writing = blocking(id, move || bundle.draft()?.write());
        return metrics.phase(Phase::ContainerBundle, writing).await;
    }
    let drafting = blocking(id, move || bundle.draft());
    let draft = metrics.phase(Phase::ContainerBundle, drafting).await?;
    let wanted = nri::create_container(pod, id, draft.spec()).await?;
    blocking(id, move || draft.adjusted(&wanted)?.write()).await
}

async fn blocking<T: Send + 'static>(
    id: &ContainerId,
    work: impl FnOnce() -> Result<T, bundle::BundleError> + Send + 'static,
) -> Result<T, LifecycleError> {
    let attempted = || format!("prepare container {id}");
    let done = paths::blocking(attempted(), move || Ok::<_, BoxError>(work())).await?;
    done.map_err(|error| match error.is_of_the_request() {
        true => LifecycleError::Invalid(chain(&error)),
        false => LifecycleError::failed(attempted(), error),
    })
}

/// To its client a container that could not be made never existed.
fn forget(pod: &mut Pod, id: &ContainerId) {
    let store = &pod.parts.store.containers;
    if let Err(error) = store.discard(id).and_then(|()| store.sweep()) {
        let error = &error as &dyn std::error::Error;
        // The next start of the runtime finds it and removes it.
        tracing::error!(container = %id, error, "a failed container was not removed");
    }
    pod.containers.remove(id);
    pod.publish();
}
