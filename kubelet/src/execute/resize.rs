//! Gives running containers another size: the pod's cgroup grows before them and shrinks after them.

use std::io;

use super::executor::PodExecutor;
use crate::allocation::given;
use crate::causes::chain;
use crate::cri::{self, PodStats, RuntimeError};
use crate::model::{
    ContainerName, Pod, PodObservation, PodSpec, ResizeContainer, ResizePod, ResizeWhole,
    SandboxId, Size,
};
use crate::resource::{
    CgroupError, PodChange, PodChanges, PodLimits, changes, container_resources, pod_limits,
    pod_resources, qos_class, shape,
};

/// Why containers did not get another size.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResizeError {
    /// They use more than they would have.
    #[error("cannot decrease memory limits: {0}")]
    InUse(String),
    /// It is not known what they use.
    #[error("unable to read memory usage for pod {pod:?}")]
    Unknown {
        pod: String,
        #[source]
        source: RuntimeError,
    },
    /// The runtime does not want the pod's cgroup to change.
    #[error("failed to notify runtime for UpdatePodSandboxResources; resize rejected")]
    Rejected(#[source] RuntimeError),
    /// The runtime did not change one.
    #[error("cannot resize container {name}")]
    Container {
        name: ContainerName,
        #[source]
        source: RuntimeError,
    },
    /// The pod's cgroup did not change.
    #[error("cannot resize the pod")]
    Pod(#[source] CgroupError),
    /// It cannot be written down.
    #[error("cannot write down the sizes of containers")]
    Note(#[source] io::Error),
}

/// What is changed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource {
    Memory,
    Cpu,
}

/// A pod whose containers change.
struct Changing<'a> {
    pod: &'a Pod,
    sandbox: &'a SandboxId,
    /// What the pod's cgroup comes to.
    after: PodLimits,
}

impl PodExecutor {
    /// Carries the plan out as far as it goes; what is left is planned again. Says why not all was
    /// done.
    pub(super) async fn resize(
        &self,
        (pod, sandbox): (&Pod, &SandboxId),
        observation: &PodObservation,
        resize: &ResizePod,
    ) -> Option<String> {
        let began = std::time::Instant::now();
        let mut as_it_is = as_it_is(&pod.spec, observation);
        if let Some(whole) = &resize.whole {
            as_it_is.resources = whole.from.requirements();
        }
        let before = pod_limits(&as_it_is);
        let changing = Changing {
            pod,
            sandbox,
            after: pod_limits(&pod.spec),
        };
        let done = self.carry_out_resize(&changing, &before, resize).await;
        let resizes = self.metrics.resizes();
        resizes.carried_out(began.elapsed(), &done);
        done.err().map(|error| error.explanation())
    }

    async fn carry_out_resize(
        &self,
        changing: &Changing<'_>,
        before: &PodLimits,
        resize: &ResizePod,
    ) -> Result<(), ResizeError> {
        self.check_usage(changing, before, resize).await?;
        let (memory, cpu) = changes(before, &changing.after);
        let whole = |resource| resize.whole.and_then(|whole| whole_after(resource, &whole));
        let of_memory = (resize.memory.as_slice(), whole(Resource::Memory));
        self.change(changing, Resource::Memory, of_memory, memory)
            .await?;
        let of_cpu = (resize.cpu.as_slice(), whole(Resource::Cpu));
        self.change(changing, Resource::Cpu, of_cpu, cpu).await
    }

    /// A limit below what is used would end containers.
    async fn check_usage(
        &self,
        changing: &Changing<'_>,
        before: &PodLimits,
        resize: &ResizePod,
    ) -> Result<(), ResizeError> {
        let after = changing.after.memory;
        let of_pod = after.filter(|after| before.memory.is_none_or(|before| *after < before));
        let is_memory = |whole: &ResizeWhole| whole.from.memory_bytes != whole.to.memory_bytes;
        let is_of_whole = resize.whole.as_ref().is_some_and(is_memory);
        let of_pod = of_pod.filter(|_| is_of_whole || !resize.memory.is_empty());
        let of_containers: Vec<_> = resize.memory.iter().filter_map(decreasing).collect();
        if of_pod.is_none() && of_containers.is_empty() {
            return Ok(());
        }
        let stats = self.runtime.pod_stats_of(changing.sandbox.clone()).await;
        let used = stats.map_err(|source| ResizeError::Unknown {
            pod: changing.pod.name.to_string(),
            source,
        })?;
        match too_small(&used, of_pod, &of_containers).as_slice() {
            [] => Ok(()),
            [one] => Err(ResizeError::InUse(one.clone())),
            all => Err(ResizeError::InUse(format!("[{}]", all.join(", ")))),
        }
    }

    async fn change(
        &self,
        changing: &Changing<'_>,
        resource: Resource,
        (containers, whole): (&[ResizeContainer], Option<Size>),
        changes: PodChanges,
    ) -> Result<(), ResizeError> {
        if containers.is_empty() && whole.is_none() {
            return Ok(());
        }
        self.change_pod(changing, changes.first).await?;
        let mut sizes = Vec::new();
        for container in containers {
            let size = size_after(resource, container);
            self.change_container(changing.pod, container, size).await?;
            sizes.push((container.id.clone(), size));
        }
        self.change_pod(changing, changes.last).await?;
        // Last: a kubelet that is killed before that begins again.
        let file = self.layout.sizes(&changing.pod.uid);
        let noted = tokio::task::spawn_blocking(move || given::note(&file, &sizes, whole)).await;
        noted
            .unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
            .map_err(ResizeError::Note)
    }

    async fn change_container(
        &self,
        pod: &Pod,
        resize: &ResizeContainer,
        size: Size,
    ) -> Result<(), ResizeError> {
        let name = resize.name.clone();
        let Some(container) = pod.spec.container(&name) else {
            return Ok(());
        };
        let mut container = container.clone();
        container.resources = size.requirements();
        let capacity = self.node.memory_capacity;
        let mut wanted = container_resources((pod, &container), capacity);
        shape(&mut wanted, (pod, &container), &self.node.pods.shape);
        let updated = self.runtime.update_container(resize.id.clone(), wanted);
        updated
            .await
            .map_err(|source| ResizeError::Container { name, source })
    }

    /// The runtime hears of it first, and may reject it.
    async fn change_pod(
        &self,
        changing: &Changing<'_>,
        changes: Vec<PodChange>,
    ) -> Result<(), ResizeError> {
        if changes.is_empty() {
            return Ok(());
        }
        let (pod, sandbox) = (changing.pod, changing.sandbox.clone());
        let told = pod_resources(&pod.spec, self.node.pods.shape.bandwidth);
        let heard = self.runtime.update_sandbox_resources(sandbox, told).await;
        heard
            .or_else(|error| {
                if is_unknown(&error) {
                    Ok(())
                } else {
                    Err(error)
                }
            })
            .map_err(ResizeError::Rejected)?;
        let (cgroups, uid) = (self.cgroups.clone(), pod.uid.clone());
        let (class, began) = (qos_class(&pod.spec), std::time::Instant::now());
        let changed = tokio::task::spawn_blocking(move || {
            changes
                .into_iter()
                .try_for_each(|change| cgroups.change(class, &uid, change))
        });
        changed
            .await
            .expect("changing files does not panic")
            .map_err(ResizeError::Pod)?;
        self.metrics.starts().cgroup("update", began.elapsed());
        Ok(())
    }
}

impl ResizeError {
    /// The error with its causes.
    fn explanation(&self) -> String {
        match self {
            Self::Container { source, .. } | Self::Rejected(source) => {
                format!("{self}: {}", source.explanation())
            }
            Self::Unknown { .. } => self.to_string(),
            Self::InUse(_) | Self::Pod(_) | Self::Note(_) => chain(self),
        }
    }
}

/// A runtime that does not have the call need not hear. Some say so in words alone.
fn is_unknown(error: &RuntimeError) -> bool {
    error.is_unimplemented() || error.explanation().contains("not implemented")
}

/// The spec with the sizes that the pod as a whole and its running containers have.
pub(super) fn as_it_is(spec: &PodSpec, observation: &PodObservation) -> PodSpec {
    let mut spec = spec.clone();
    if let Some(whole) = observation.size {
        spec.resources = whole.requirements();
    }
    let containers = spec.init_containers.iter_mut().chain(&mut spec.containers);
    for container in containers {
        let newest = observation.newest(&container.name);
        let running = newest.filter(|newest| newest.state.may_run());
        if let Some(size) = running.and_then(|running| running.size) {
            container.resources = size.requirements();
        }
    }
    spec
}

/// Memory comes first: its step leaves the CPU as it is, and that of the CPU finds the memory changed.
fn size_after(resource: Resource, resize: &ResizeContainer) -> Size {
    match resource {
        Resource::Memory => Size {
            memory_bytes: resize.to.memory_bytes,
            ..resize.from
        },
        Resource::Cpu => resize.to,
    }
}

/// The same of the pod as a whole, if anything of it changes.
fn whole_after(resource: Resource, resize: &ResizeWhole) -> Option<Size> {
    let ResizeWhole { from, to } = *resize;
    match resource {
        Resource::Memory => (from.memory_bytes != to.memory_bytes).then_some(Size {
            memory_bytes: to.memory_bytes,
            ..from
        }),
        Resource::Cpu => (from.cpu_millis != to.cpu_millis).then_some(to),
    }
}

/// The memory that a container gets if that is less than it had.
fn decreasing(resize: &ResizeContainer) -> Option<(&ContainerName, u64)> {
    let limit = resize.to.memory_bytes.limit?;
    let before = resize.from.memory_bytes.limit;
    before
        .is_none_or(|before| limit < before)
        .then_some((&resize.name, limit))
}

/// What is wrong with limits that are not above what is used.
fn too_small(
    used: &PodStats,
    of_pod: Option<u64>,
    of_containers: &[(&ContainerName, u64)],
) -> Vec<String> {
    let usage = |usage: &cri::Usage| usage.memory.as_ref().and_then(|memory| memory.usage);
    let mut problems = Vec::new();
    match of_pod.map(|limit| (limit, usage(&used.usage))) {
        Some((_, None)) => problems.push("missing pod memory usage".to_owned()),
        Some((limit, Some(used))) if used >= limit => problems.push(format!(
            "attempting to set pod memory limit ({limit}) below current usage ({used})"
        )),
        Some(_) | None => {}
    }
    for (name, limit) in of_containers {
        let name = name.as_str();
        let mut all = used.containers.iter();
        match all
            .find(|one| one.metadata.name == name)
            .map(|one| usage(&one.usage))
        {
            Some(None) => problems.push(format!("missing container {name:?} memory usage")),
            Some(Some(used)) if used >= *limit => problems.push(format!(
                "attempting to set container {name:?} memory limit ({limit}) below current usage \
                 ({used})"
            )),
            Some(Some(_)) | None => {}
        }
    }
    problems
}
