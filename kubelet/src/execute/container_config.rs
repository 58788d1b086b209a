//! From a container of a pod to what the runtime makes it from: pure.

#![deny(clippy::disallowed_methods)]

use std::fmt;
use std::path::Path;

use serde_json::json;

use super::environment::expand_all;
use super::sandbox_config::{identity, namespaces, supplemental_groups};
use crate::cri::{
    self, ContainerConfig, ContainerMetadata, ContainerSecurity, IdRange, Image, ImageReference,
    NamespaceMode,
};
use crate::labels;
use crate::layout::log_file;
use crate::model::{
    Container, ContainerId, ContainerName, Pod, PodName, ProcMount, Protocol, SeccompProfile,
    SecurityIdentity, StringMap,
};
use crate::resource::{Shape, container_resources, shape};

/// Paths of /proc and /sys that tell or change too much of the host.
const MASKED_PATHS: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// Paths of /proc that a container may read but not write.
const READ_ONLY_PATHS: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Everything a container's configuration follows from.
pub(crate) struct Ingredients<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// The container in its spec.
    pub container: &'a Container,
    /// How many of this name were made before it.
    pub restart_count: u32,
    /// The image, which is present.
    pub image: &'a Image,
    /// Its environment.
    pub env: Vec<cri::EnvVar>,
    /// Its mounts.
    pub mounts: Vec<cri::Mount>,
    /// Its volumes that are devices.
    pub devices: Vec<cri::Device>,
    /// The running container whose processes it sees.
    pub target: Option<ContainerId>,
    /// The host's ids that the pod's users are, if it has users of its own.
    pub users: Option<IdRange>,
    /// Bytes of memory the node has.
    pub memory_capacity: u64,
    /// What of the resources the node decides.
    pub shape: &'a Shape,
    /// Where seccomp profiles of the node are.
    pub seccomp_profiles: &'a Path,
    /// The profile of containers that ask for none.
    pub default_seccomp: SeccompProfile,
}

/// Why a container must not run as it is described.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ConfigError {
    /// `runAsNonRoot`, and yet user 0.
    #[error("container's runAsUser breaks non-root policy {0}")]
    RunsAsRoot(Whose),
    /// `runAsNonRoot`, and the image says user 0.
    #[error("container has runAsNonRoot and image will run as root {0}")]
    ImageRunsAsRoot(Whose),
    /// `runAsNonRoot`, and the image's user has only a name.
    #[error(
        "container has runAsNonRoot and image has non-numeric user ({user}), \
         cannot verify user is non-root {whose}"
    )]
    UserNotNumeric { user: String, whose: Whose },
}

/// Whose container it is, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whose {
    pod: String,
    container: ContainerName,
}

impl Whose {
    fn of(pod: &Pod, container: &Container) -> Self {
        let PodName { namespace, name } = &pod.name;
        Self {
            pod: format!("{name}_{namespace}({})", pod.uid),
            container: container.name.clone(),
        }
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(pod: {:?}, container: {})", self.pod, self.container)
    }
}

/// What the container is made from.
pub(crate) fn container_config(
    ingredients: Ingredients<'_>,
) -> Result<ContainerConfig, ConfigError> {
    let Ingredients {
        pod,
        container,
        restart_count,
        image,
        ..
    } = ingredients;
    let mut resources = container_resources((pod, container), ingredients.memory_capacity);
    shape(&mut resources, (pod, container), ingredients.shape);
    Ok(ContainerConfig {
        metadata: ContainerMetadata {
            name: container.name.to_string(),
            attempt: restart_count,
        },
        image: ImageReference {
            image: image.id.clone(),
            user_specified: container.image.clone(),
        },
        command: expand_all(&container.command, &ingredients.env),
        args: expand_all(&container.args, &ingredients.env),
        working_dir: container.working_dir.clone().unwrap_or_default(),
        security: security(&ingredients)?,
        env: ingredients.env,
        mounts: ingredients.mounts,
        devices: ingredients.devices,
        cdi_devices: Vec::new(),
        labels: container_labels(pod, container),
        annotations: annotations(pod, container, restart_count),
        log_path: log_file(&container.name, restart_count),
        stdin: container.stdin,
        stdin_once: container.stdin_once,
        tty: container.tty,
        resources,
    })
}

fn container_labels(pod: &Pod, container: &Container) -> StringMap {
    let mut all = identity(pod);
    all.insert(
        labels::CONTAINER_NAME.to_owned(),
        container.name.to_string(),
    );
    all
}

/// What a kubelet that starts again must know of the container.
fn annotations(pod: &Pod, container: &Container, restart_count: u32) -> StringMap {
    let grace = pod.spec.termination_grace_period.as_secs();
    let message = &container.termination_message;
    let mut all: StringMap = [
        (labels::CONTAINER_HASH, container.hash.to_string()),
        (labels::RESTART_COUNT, restart_count.to_string()),
        (
            labels::CONTAINER_SIZE,
            pod.spec.size_of(container).to_text(),
        ),
        (labels::TERMINATION_MESSAGE_PATH, message.path.clone()),
        (
            labels::TERMINATION_MESSAGE_POLICY,
            message.policy.as_str().to_owned(),
        ),
        (labels::TERMINATION_GRACE_PERIOD, grace.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    if let Some(hook) = pre_stop_json(pod, container) {
        all.insert(labels::PRE_STOP_HANDLER.to_owned(), hook);
    }
    if !container.ports.is_empty() {
        all.insert(labels::CONTAINER_PORTS.to_owned(), ports_json(container));
    }
    all
}

/// The hook before its end as the manifest has it.
fn pre_stop_json(pod: &Pod, container: &Container) -> Option<String> {
    container.lifecycle.pre_stop.as_ref()?;
    let spec = pod.manifest.spec.as_ref()?;
    let init = spec.init_containers.iter().flatten();
    let written = init
        .chain(&spec.containers)
        .find(|written| written.name == container.name.as_str())?;
    let hook = written.lifecycle.as_ref()?.pre_stop.as_ref()?;
    serde_json::to_string(hook).ok()
}

fn ports_json(container: &Container) -> String {
    let port = |port: &crate::model::ContainerPort| {
        let protocol = match port.protocol {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Sctp => "SCTP",
        };
        let mut object = json!({ "containerPort": port.container_port, "protocol": protocol });
        if let Some(name) = &port.name {
            object["name"] = json!(name);
        }
        if let Some(host_port) = port.host_port {
            object["hostPort"] = json!(host_port);
        }
        object
    };
    container
        .ports
        .iter()
        .map(port)
        .collect::<serde_json::Value>()
        .to_string()
}

fn security(ingredients: &Ingredients<'_>) -> Result<ContainerSecurity, ConfigError> {
    let Ingredients {
        pod,
        container,
        image,
        target,
        users,
        seccomp_profiles,
        ..
    } = ingredients;
    let own = &container.security;
    let identity = own.identity.or(pod.spec.security.identity);
    refuse_root(identity, image, || Whose::of(pod, container))?;

    let mut namespaces = namespaces(&pod.spec, *users);
    if let Some(target) = target {
        namespaces.pid = NamespaceMode::Target(target.to_string());
    }
    let paths = |paths: &[&str]| {
        if own.privileged || own.proc_mount == ProcMount::Unmasked {
            return Vec::new();
        }
        paths.iter().map(|path| (*path).to_owned()).collect()
    };
    let pod_wide = &pod.spec.security;
    let user = identity.run_as_user.or(image.uid);
    Ok(ContainerSecurity {
        privileged: own.privileged,
        capabilities: own.capabilities.clone(),
        namespaces,
        run_as_user: user,
        run_as_group: identity.run_as_group,
        run_as_username: if user.is_none() {
            image.username.clone()
        } else {
            String::new()
        },
        supplemental_groups: supplemental_groups(&pod.spec),
        supplemental_groups_policy: pod_wide.supplemental_groups_policy,
        read_only_root: own.read_only_root,
        no_new_privs: own.allow_privilege_escalation == Some(false),
        masked_paths: paths(&MASKED_PATHS),
        read_only_paths: paths(&READ_ONLY_PATHS),
        seccomp: seccomp(ingredients, seccomp_profiles),
        app_armor: own.app_armor.clone().or(pod_wide.app_armor.clone()),
        selinux: own.selinux.clone().or(pod_wide.selinux.clone()),
    })
}

fn refuse_root(
    identity: SecurityIdentity,
    image: &Image,
    whose: impl FnOnce() -> Whose,
) -> Result<(), ConfigError> {
    if identity.run_as_non_root != Some(true) {
        return Ok(());
    }
    match (identity.run_as_user, image.uid) {
        (Some(0), _) => Err(ConfigError::RunsAsRoot(whose())),
        (Some(_), _) => Ok(()),
        (None, Some(0)) => Err(ConfigError::ImageRunsAsRoot(whose())),
        (None, Some(_)) => Ok(()),
        // An image that names no user runs as root.
        (None, None) if image.username.is_empty() => Err(ConfigError::ImageRunsAsRoot(whose())),
        (None, None) => Err(ConfigError::UserNotNumeric {
            user: image.username.clone(),
            whose: whose(),
        }),
    }
}

/// The container's profile, else the pod's; a profile of the node by its whole path.
fn seccomp(ingredients: &Ingredients<'_>, profiles: &Path) -> Option<SeccompProfile> {
    let own = ingredients.container.security.seccomp.as_ref();
    let profile = own.or(ingredients.pod.spec.security.seccomp.as_ref());
    Some(match profile.unwrap_or(&ingredients.default_seccomp) {
        SeccompProfile::Localhost(file) => {
            SeccompProfile::Localhost(profiles.join(file).display().to_string())
        }
        SeccompProfile::RuntimeDefault => SeccompProfile::RuntimeDefault,
        SeccompProfile::Unconfined => SeccompProfile::Unconfined,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RestartPolicy;
    use crate::plan::fixture::pod;

    fn image(uid: Option<i64>, username: &str) -> Image {
        Image {
            id: "sha256:1".to_owned(),
            tags: Vec::new(),
            digests: Vec::new(),
            size: 0,
            uid,
            username: username.to_owned(),
            is_pinned: false,
        }
    }

    fn identity(run_as_user: Option<i64>, run_as_non_root: Option<bool>) -> SecurityIdentity {
        SecurityIdentity {
            run_as_user,
            run_as_non_root,
            ..SecurityIdentity::default()
        }
    }

    #[test]
    fn who_must_not_run_as_root_is_refused_unless_he_surely_does_not() {
        let web = pod(RestartPolicy::Always, &[], &["web"]);
        let whose = || Whose::of(&web, &web.spec.containers[0]);
        let named = |user: &str| ConfigError::UserNotNumeric {
            user: user.to_owned(),
            whose: whose(),
        };
        let must_not = Some(true);
        let rows = [
            (
                Some(0),
                must_not,
                image(Some(5), ""),
                Err(ConfigError::RunsAsRoot(whose())),
            ),
            (Some(5), must_not, image(Some(0), ""), Ok(())),
            (
                None,
                must_not,
                image(Some(0), ""),
                Err(ConfigError::ImageRunsAsRoot(whose())),
            ),
            (
                None,
                must_not,
                image(None, ""),
                Err(ConfigError::ImageRunsAsRoot(whose())),
            ),
            (None, must_not, image(Some(5), ""), Ok(())),
            (None, must_not, image(None, "web"), Err(named("web"))),
            (Some(5), must_not, image(None, "web"), Ok(())),
            (Some(0), Some(false), image(None, ""), Ok(())),
            (None, None, image(None, "web"), Ok(())),
        ];
        for (user, non_root, image, expected) in rows {
            let said = refuse_root(identity(user, non_root), &image, whose);
            assert_eq!(said, expected, "{user:?} {non_root:?} {image:?}");
        }
    }
}
