//! Starts one container: image, environment and mounts, configuration, create, start.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::container_config::{Ingredients, container_config};
use super::environment::environment;
use super::executor::PodExecutor;
use super::granted;
use super::hosts::hosts_file;
use super::images::Wanted;
use super::mounts::{VolumesOf, devices};
use super::report::Reporter;
use super::sandbox::Standing;
use crate::cri::{self, Image, ImageReference, MountPropagation};
use crate::layout::log_file;
use crate::log_links;
use crate::model::{
    Container, ContainerId, ContainerRole, FailureReason, NetworkMode, Pod, PodObservation,
    StartContainer, StartFailure,
};

/// Where every program looks names up.
const ETC_HOSTS: &str = "/etc/hosts";

/// A container of the plan that is made.
#[derive(Clone, Copy)]
struct Making<'a> {
    start: &'a StartContainer,
    container: &'a Container,
}

/// A container of which everything is there.
struct Ready<'a> {
    container: &'a Container,
    image: &'a Image,
    /// The images that it mounts, by volume.
    shown: BTreeMap<String, ImageReference>,
    target: Option<ContainerId>,
}

impl PodExecutor {
    /// Starts one container of the plan.
    pub(super) async fn start(
        &self,
        pod: &Pod,
        observation: &PodObservation,
        start: &StartContainer,
        standing: &Standing,
    ) -> Result<(), StartFailure> {
        let report = self.report(&pod.name, &pod.uid).container(&start.name);
        let Some(container) = pod.spec.container(&start.name) else {
            let message = format!("the pod has no container named {}", start.name);
            return Err(failed(
                &report,
                FailureReason::CreateContainerConfigError,
                message,
            ));
        };
        let id = match &start.made {
            Some(made) => made.clone(),
            None => {
                self.make(
                    pod,
                    observation,
                    Making { start, container },
                    standing,
                    &report,
                )
                .await?
            }
        };
        if let Err(error) = self.runtime.start_container(id.clone()).await {
            if start.made.is_some() {
                // Whatever is wrong with it, the next one is made anew.
                let _ = self.runtime.remove_container(id).await;
            }
            let why = error.explanation();
            return Err(failed(&report, FailureReason::RunContainerError, why));
        }
        report.normal("Started", "Container started".to_owned());
        self.link_log(pod, start, &id);
        self.post_start(pod, container, &id, standing, &report)
            .await
    }

    /// A log without a link is a log all the same.
    fn link_log(&self, pod: &Pod, start: &StartContainer, id: &ContainerId) {
        let logs = self.layout.pod_log(&pod.name, &pod.uid);
        let log = logs.join(log_file(&start.name, start.restart_count));
        if let Err(error) = log_links::make(&self.layout, &pod.name, &start.name, id, &log) {
            tracing::warn!(pod = %pod.name, log = %log.display(), %error, "cannot link a log");
        }
    }

    /// Makes a container of the plan, with everything that it needs.
    async fn make(
        &self,
        pod: &Pod,
        observation: &PodObservation,
        Making { start, container }: Making<'_>,
        standing: &Standing,
        report: &Reporter<'_>,
    ) -> Result<ContainerId, StartFailure> {
        let wanted = Wanted {
            written: &container.image,
            policy: container.pull_policy,
        };
        // Each image tells what is wrong with it; this is the container's own word for it.
        let no_image = |failure: StartFailure| {
            report.warning("Failed", format!("Error: {}", failure.reason.as_str()));
            failure
        };
        let image = self
            .images
            .ensure(pod, wanted, standing, report)
            .await
            .map_err(no_image)?;
        let shown = self
            .image_volumes(pod, container, standing, report)
            .await
            .map_err(no_image)?;
        let target = target(pod, observation, start);
        let config = self
            .configure(
                pod,
                start,
                standing,
                Ready {
                    container,
                    image: &image,
                    shown,
                    target,
                },
            )
            .await
            .map_err(|why| failed(report, FailureReason::CreateContainerConfigError, why))?;

        let created =
            self.runtime
                .create_container(standing.id.clone(), config, standing.config.clone());
        let id = created.await.map_err(|error| {
            failed(
                report,
                FailureReason::CreateContainerError,
                error.explanation(),
            )
        })?;
        report.normal("Created", "Container created".to_owned());
        Ok(id)
    }

    async fn configure(
        &self,
        pod: &Pod,
        start: &StartContainer,
        standing: &Standing,
        ready: Ready<'_>,
    ) -> Result<cri::ContainerConfig, String> {
        let Ready {
            container,
            image,
            shown,
            target,
        } = ready;
        let facts = self.facts(pod, &standing.ips);
        self.services_are_known(pod)?;
        let looked_up = self.look_up(pod, container, &standing.volumes).await;
        let env = environment(container, facts, &looked_up).map_err(|error| error.to_string())?;
        let mut mounts = self
            .volume_mounts(
                pod,
                container,
                &env,
                VolumesOf {
                    standing,
                    shown: &shown,
                },
            )
            .await?;
        mounts.extend(
            self.own_mounts(pod, container, start, standing)
                .await
                .map_err(|error| {
                    format!("cannot write the kubelet's own files for the container: {error}")
                })?,
        );
        let config = container_config(Ingredients {
            pod,
            container,
            restart_count: start.restart_count,
            image,
            env,
            mounts,
            devices: devices(container, &standing.volumes)?,
            target,
            users: standing.identity.users,
            memory_capacity: self.node.memory_capacity,
            shape: &self.node.pods.shape,
            seccomp_profiles: &self.layout.seccomp_profiles(),
            default_seccomp: self.node.pods.default_seccomp.clone(),
        })
        .map_err(|error| error.to_string())?;
        let grant = self.devices.grant(pod, container).await?;
        let config = granted::with_devices(config, grant);
        self.pinning.making(pod, container).await;
        Ok(granted::on_cpus(
            config,
            self.pinning.pinned(pod, container),
        ))
    }

    /// /etc/hosts, the log directory and the file for last words.
    async fn own_mounts(
        &self,
        pod: &Pod,
        container: &Container,
        start: &StartContainer,
        standing: &Standing,
    ) -> io::Result<Vec<cri::Mount>> {
        let logs = self
            .layout
            .container_log(&pod.name, &pod.uid, &container.name);
        tokio::fs::create_dir_all(logs).await?;

        let mut mounts = Vec::new();
        let own_hosts = container
            .mounts
            .iter()
            .any(|mount| absolute(&mount.path) == ETC_HOSTS);
        if !own_hosts {
            let file = self.layout.etc_hosts(&pod.uid);
            self.write_hosts(pod, standing, &file).await?;
            mounts.push(self.writable(&file, ETC_HOSTS));
        }
        let messages = self.layout.container(&pod.uid, &container.name);
        tokio::fs::create_dir_all(&messages).await?;
        let message = messages.join(start.restart_count.to_string());
        make_world_writable(&message).await?;
        mounts.push(self.writable(&message, &container.termination_message.path));
        Ok(mounts)
    }

    /// A file of the kubelet's that containers write to.
    fn writable(&self, host_path: &Path, container_path: &str) -> cri::Mount {
        cri::Mount {
            container_path: container_path.to_owned(),
            host_path: host_path.display().to_string(),
            read_only: false,
            recursive_read_only: false,
            selinux_relabel: self.node.has_selinux,
            propagation: MountPropagation::Private,
            image: None,
        }
    }

    /// Written in place: containers that run have the file itself mounted.
    async fn write_hosts(&self, pod: &Pod, standing: &Standing, file: &Path) -> io::Result<()> {
        let host_file = match pod.spec.namespaces.network {
            NetworkMode::Host => tokio::fs::read_to_string(&self.node.hosts_file).await?,
            NetworkMode::Pod => String::new(),
        };
        let wanted = hosts_file(
            &pod.spec,
            &standing.identity.hostname,
            &standing.ips,
            &host_file,
        );
        match tokio::fs::read_to_string(file).await {
            Ok(present) if present == wanted => Ok(()),
            Ok(_) | Err(_) => tokio::fs::write(file, wanted).await,
        }
    }
}

/// The running container whose processes an ephemeral container sees.
fn target(pod: &Pod, observation: &PodObservation, start: &StartContainer) -> Option<ContainerId> {
    if start.role != ContainerRole::Ephemeral {
        return None;
    }
    let mut ephemeral = pod.spec.ephemeral_containers.iter();
    let named = ephemeral
        .find(|one| one.container.name == start.name)?
        .target
        .as_ref()?;
    observation
        .newest(named)
        .map(|container| container.id.clone())
}

/// The process may run as any user and must be able to leave its last words.
async fn make_world_writable(file: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    tokio::fs::write(file, b"").await?;
    tokio::fs::set_permissions(file, std::fs::Permissions::from_mode(0o666)).await
}

pub(super) fn absolute(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}

fn failed(report: &Reporter<'_>, reason: FailureReason, message: String) -> StartFailure {
    report.warning("Failed", format!("Error: {message}"));
    StartFailure {
        reason,
        message,
        retry_after: None,
    }
}
