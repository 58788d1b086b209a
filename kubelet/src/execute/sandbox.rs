//! Stands a pod's sandbox up: cgroup and volumes first, so that a container never sees less.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use tokio::time::Instant;

use super::admit::{Refusal, needs_features, refusal};
use super::dns::{NodeDns, Resolver, resolver};
use super::executor::PodExecutor;
use super::hostname::{Hostname, hostname};
use super::report::Reporter;
use super::sandbox_config::{Place, sandbox_config};
use super::users;
use crate::allocation::given;
use crate::causes::chain;
use crate::credential::PullSecret;
use crate::cri::{IdRange, RuntimeFeatures, SandboxConfig};
use crate::metrics::Users;
use crate::model::{
    CreateSandbox, NetworkMode, Object, Pod, PodFailure, PodObservation, PodSpec, SandboxId, Size,
    TargetSandbox, UserMode,
};
use crate::pinning::Quota;
use crate::resource::{CgroupError, qos_class};
use crate::volume::Mounted;

/// Notes what the pod's cgroup was made with as a whole, if that says anything or has. What cannot be
/// noted is found out when it changes.
fn note_whole(file: &Path, spec: &PodSpec) {
    let size = Size::of(&spec.resources);
    let is_known = || given::read(file).is_ok_and(|all| all.contains_key(given::WHOLE));
    if size == Size::default() && !is_known() {
        return;
    }
    if let Err(error) = given::note(file, &[], Some(size)) {
        tracing::warn!(file = %file.display(), %error, "the size of a pod is not written down");
    }
}

/// A sandbox that containers can be started in, and what was made for it.
pub(super) struct Standing {
    /// Its id.
    pub id: SandboxId,
    /// What it was made from.
    pub config: SandboxConfig,
    /// What it is called, and who its users are.
    pub identity: Identity,
    /// The pod's addresses; the host's for a pod of its network.
    pub ips: Vec<IpAddr>,
    /// Where each volume is on the host.
    pub volumes: BTreeMap<String, Mounted>,
    /// What its images may be pulled with.
    pub pull_secrets: Vec<PullSecret>,
}

/// What a pod is called, and who its users are.
pub(super) struct Identity {
    /// Its name and domain.
    pub hostname: Hostname,
    /// The host's ids that its users are, if it has users of its own.
    pub users: Option<IdRange>,
    /// The way the runtime runs it; empty for its own choice.
    pub handler: String,
}

impl TargetSandbox {
    /// Whether nothing has to be made.
    pub(super) fn is_existing(&self) -> bool {
        matches!(self, Self::Existing(_))
    }
}

impl PodExecutor {
    /// The sandbox that the plan wants, made if it must be.
    pub(super) async fn stand_up(
        &self,
        (pod, limits): (&Pod, &PodSpec),
        observation: &PodObservation,
        target: &TargetSandbox,
    ) -> Result<Standing, PodFailure> {
        let report = self.report(&pod.name, &pod.uid);
        let handler = self.runtime_handler(pod, &report).await?;
        self.admit(pod, &handler, &report).await?;
        let volumes = self.prepare(pod, limits, &report).await?;
        let identity = self.identity(pod, handler, &report).await?;
        let (id, config, ips) = match target {
            TargetSandbox::Existing(id) => {
                let observed = observation
                    .sandboxes
                    .iter()
                    .find(|sandbox| sandbox.id == *id);
                let attempt = observed.map_or(0, |sandbox| sandbox.attempt);
                let ips = observed.map_or_else(Vec::new, |sandbox| sandbox.ips.clone());
                (
                    id.clone(),
                    self.sandbox_config(pod, attempt, &identity, &report)
                        .await?,
                    ips,
                )
            }
            TargetSandbox::Create(create) => {
                let (starts, users) = (self.metrics.starts(), users_of(pod));
                starts.pod(users);
                let made = self.create(pod, create, &identity, &report).await;
                made.inspect_err(|_| starts.pod_failed(users))?
            }
        };
        let ips = match pod.spec.namespaces.network {
            NetworkMode::Pod => ips,
            NetworkMode::Host => self.node.ips.clone(),
        };
        Ok(Standing {
            id,
            config,
            identity,
            ips,
            volumes,
            pull_secrets: self.pull_secrets(pod, &report).await,
        })
    }

    /// The runtime's name for the way that the pod asks to be run.
    async fn runtime_handler(
        &self,
        pod: &Pod,
        report: &Reporter<'_>,
    ) -> Result<String, PodFailure> {
        let Some(key) = pod.runtime_class() else {
            return Ok(String::new());
        };
        let why = match self.objects.get(&pod.uid, &key).await {
            Ok(Object::RuntimeClass(class)) => return Ok(class.handler.clone()),
            Ok(_) => format!("{key} is something else"),
            Err(error) => error.to_string(),
        };
        let message = format!("Failed to create pod sandbox: failed to get sandbox runtime: {why}");
        Err(fail(report, FAILED, message))
    }

    /// Refuses what this node does not give.
    async fn admit(
        &self,
        pod: &Pod,
        handler: &str,
        report: &Reporter<'_>,
    ) -> Result<(), PodFailure> {
        let features = if needs_features(&pod.spec) {
            self.runtime.features().await.map_err(|error| {
                let message = format!("Unable to get runtime status: {}", error.explanation());
                fail(report, "FailedCreatePodSandBox", message)
            })?
        } else {
            RuntimeFeatures::default()
        };
        match refusal(&pod.spec, &features, handler) {
            None => Ok(()),
            Some(Refusal { reason, message }) => Err(fail(report, reason, message)),
        }
    }

    async fn identity(
        &self,
        pod: &Pod,
        handler: String,
        report: &Reporter<'_>,
    ) -> Result<Identity, PodFailure> {
        let hostname = hostname(pod, &self.node.pods.cluster_domain).map_err(|error| {
            let message = format!("Failed to create pod sandbox: {error}");
            fail(report, FAILED, message)
        })?;
        let users = self.users(pod, report).await?;
        Ok(Identity {
            hostname,
            users,
            handler,
        })
    }

    /// The host's ids that the pod's users are, if it has users of its own.
    async fn users(&self, pod: &Pod, report: &Reporter<'_>) -> Result<Option<IdRange>, PodFailure> {
        if pod.spec.namespaces.user == UserMode::Host {
            return Ok(None);
        }
        let (layout, uid, pool) = (
            self.layout.clone(),
            pod.uid.clone(),
            self.node.pods.user_ids,
        );
        let failed = |why: String| {
            let message = format!("Failed to create pod sandbox: create user namespace: {why}");
            fail(report, "FailedCreatePodSandBox", message)
        };
        let taken = tokio::task::spawn_blocking(move || users::take(&layout, &uid, pool)).await;
        let range = taken.map_err(|panicked| failed(panicked.to_string()))?;
        range.map(Some).map_err(|error| failed(chain(&error)))
    }

    /// The pod's directories, volumes and cgroup.
    async fn prepare(
        &self,
        pod: &Pod,
        limits: &PodSpec,
        report: &Reporter<'_>,
    ) -> Result<BTreeMap<String, Mounted>, PodFailure> {
        let volumes = self.set_up_volumes(pod, report).await?;

        let cgroups = match self.pinning.quota_of_pod(pod) {
            Quota::Limited => self.cgroups.clone(),
            Quota::Off => self.cgroups.clone().without_quota(),
        };
        let (spec, uid) = (limits.clone(), pod.uid.clone());
        let began = Instant::now();
        let sizes = self.layout.sizes(&pod.uid);
        let make = move || {
            cgroups.create(&spec, &uid)?;
            note_whole(&sizes, &spec);
            Ok(())
        };
        tokio::task::spawn_blocking(make)
            .await
            .map_err(|panicked| fail(report, CGROUP, panicked.to_string()))?
            .map_err(|error: CgroupError| {
                let why = chain(&error);
                fail(
                    report,
                    CGROUP,
                    format!("unable to ensure pod container exists: {why}"),
                )
            })?;
        self.metrics.starts().cgroup("create", began.elapsed());

        let logs = self.layout.pod_log(&pod.name, &pod.uid);
        tokio::fs::create_dir_all(&logs).await.map_err(|error| {
            fail(
                report,
                "FailedCreatePodSandBox",
                format!("cannot make {}: {error}", logs.display()),
            )
        })?;
        Ok(volumes)
    }

    async fn create(
        &self,
        pod: &Pod,
        create: &CreateSandbox,
        identity: &Identity,
        report: &Reporter<'_>,
    ) -> Result<(SandboxId, SandboxConfig, Vec<IpAddr>), PodFailure> {
        if create.reason.is_change() {
            let message = "Pod sandbox changed, it will be killed and re-created.";
            report.normal("SandboxChanged", message.to_owned());
        }
        let config = self
            .sandbox_config(pod, create.attempt, identity, report)
            .await?;
        for (reason, message) in self.resolver(pod, report).await?.warnings {
            report.warning(reason, message);
        }
        let began = Instant::now();
        let made = self.runtime.run_sandbox(config.clone()).await;
        let starts = self.metrics.starts();
        starts.sandbox(&identity.handler, began.elapsed(), &made);
        let id = made.map_err(|error| {
            let message = format!("Failed to create pod sandbox: {}", error.explanation());
            fail(report, FAILED, message)
        })?;
        let status = self
            .runtime
            .sandbox_status(id.clone())
            .await
            .map_err(|error| {
                let message = format!("Unable to get pod sandbox status: {}", error.explanation());
                fail(report, "FailedPodSandBoxStatus", message)
            })?;
        Ok((id, config, status.ips))
    }

    async fn sandbox_config(
        &self,
        pod: &Pod,
        attempt: u32,
        identity: &Identity,
        report: &Reporter<'_>,
    ) -> Result<SandboxConfig, PodFailure> {
        let place = Place {
            attempt,
            hostname: identity.hostname.of_kernel.clone(),
            log_directory: &self.layout.pod_log(&pod.name, &pod.uid),
            runtime_handler: identity.handler.clone(),
            cgroup_parent: self.cgroups.parent(qos_class(&pod.spec), &pod.uid),
            users: identity.users,
            bandwidth: self.node.pods.shape.bandwidth,
            dns: self.resolver(pod, report).await?.config,
        };
        Ok(sandbox_config(pod, place))
    }

    async fn resolver(&self, pod: &Pod, report: &Reporter<'_>) -> Result<Resolver, PodFailure> {
        let file = &self.node.resolv_conf;
        let host_file = match tokio::fs::read_to_string(file).await {
            Ok(text) => Some(text),
            // Pods shall inherit none.
            Err(_) if file.as_os_str().is_empty() => None,
            // A node without a resolver gives its pods none.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(String::new()),
            Err(error) => {
                let message = format!("cannot read {}: {error}", file.display());
                return Err(fail(report, FAILED, message));
            }
        };
        let node = NodeDns {
            cluster_servers: &self.node.pods.cluster_dns,
            cluster_domain: &self.node.pods.cluster_domain,
            host_file: host_file.as_deref(),
            node_ips: &self.node.ips,
        };
        Ok(resolver(pod, node))
    }
}

fn users_of(pod: &Pod) -> Users {
    match pod.spec.namespaces.user {
        UserMode::Host => Users::Shared,
        UserMode::Pod => Users::Own,
    }
}

const FAILED: &str = "FailedCreatePodSandBox";
const CGROUP: &str = "FailedCreatePodContainer";

pub(super) fn fail(report: &Reporter<'_>, reason: &'static str, message: String) -> PodFailure {
    report.warning(reason, message.clone());
    PodFailure { reason, message }
}
