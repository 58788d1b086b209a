//! Who a pod and its containers run as, and what they may do.

use k8s_openapi::api::core::v1 as core;

use crate::model::{
    AppArmorProfile, Capabilities, Container, ContainerSecurity, FsGroupChange, PodSecurity,
    ProcMount, SeccompProfile, SecurityIdentity, SelinuxOptions, SupplementalGroupsPolicy, Sysctl,
};
use crate::source::problem::Problems;

pub(super) fn pod(spec: &core::PodSpec, problems: &mut Problems) -> PodSecurity {
    let context = spec.security_context.clone().unwrap_or_default();
    let path = "spec.securityContext";
    let groups = context.supplemental_groups.unwrap_or_default();
    for (index, group) in groups.iter().enumerate() {
        id(
            &format!("{path}.supplementalGroups[{index}]"),
            Some(*group),
            problems,
        );
    }
    for (index, sysctl) in context.sysctls.iter().flatten().enumerate() {
        if sysctl.name.is_empty() {
            problems.required(format!("{path}.sysctls[{index}].name"));
        }
    }
    PodSecurity {
        identity: SecurityIdentity {
            run_as_user: id(&format!("{path}.runAsUser"), context.run_as_user, problems),
            run_as_group: id(
                &format!("{path}.runAsGroup"),
                context.run_as_group,
                problems,
            ),
            run_as_non_root: context.run_as_non_root,
        },
        supplemental_groups: groups,
        fs_group: id(&format!("{path}.fsGroup"), context.fs_group, problems),
        fs_group_change: fs_group_change(path, context.fs_group_change_policy.as_deref(), problems),
        supplemental_groups_policy: groups_policy(
            path,
            context.supplemental_groups_policy.as_deref(),
            problems,
        ),
        seccomp: seccomp(path, context.seccomp_profile.as_ref(), problems),
        app_armor: app_armor(path, context.app_armor_profile.as_ref(), problems),
        selinux: context.se_linux_options.map(selinux),
        sysctls: context
            .sysctls
            .unwrap_or_default()
            .into_iter()
            .map(|core::Sysctl { name, value }| Sysctl { name, value })
            .collect(),
    }
}

const FS_GROUP_CHANGES: &[(&str, FsGroupChange)] = &[
    ("Always", FsGroupChange::Always),
    ("OnRootMismatch", FsGroupChange::OnRootMismatch),
];

fn fs_group_change(path: &str, policy: Option<&str>, problems: &mut Problems) -> FsGroupChange {
    let field = format!("{path}.fsGroupChangePolicy");
    let word = policy.unwrap_or("Always");
    problems
        .word(field, word, FS_GROUP_CHANGES)
        .unwrap_or_default()
}

pub(super) fn container(
    path: &str,
    container: &core::Container,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> ContainerSecurity {
    let context = container.security_context.clone().unwrap_or_default();
    let path = format!("{path}.securityContext");
    escalation(&path, &context, problems);
    let capabilities = context.capabilities.unwrap_or_default();
    ContainerSecurity {
        identity: SecurityIdentity {
            run_as_user: id(&format!("{path}.runAsUser"), context.run_as_user, problems),
            run_as_group: id(
                &format!("{path}.runAsGroup"),
                context.run_as_group,
                problems,
            ),
            run_as_non_root: context.run_as_non_root,
        },
        privileged: context.privileged == Some(true),
        read_only_root: context.read_only_root_filesystem == Some(true),
        allow_privilege_escalation: context.allow_privilege_escalation,
        capabilities: Capabilities {
            add: capabilities.add.unwrap_or_default(),
            drop: capabilities.drop.unwrap_or_default(),
        },
        proc_mount: proc_mount(&path, context.proc_mount.as_deref(), spec, problems),
        seccomp: seccomp(&path, context.seccomp_profile.as_ref(), problems),
        app_armor: app_armor(&path, context.app_armor_profile.as_ref(), problems),
        selinux: context.se_linux_options.map(selinux),
    }
}

const GROUPS_POLICIES: &[(&str, SupplementalGroupsPolicy)] = &[
    ("Merge", SupplementalGroupsPolicy::Merge),
    ("Strict", SupplementalGroupsPolicy::Strict),
];

fn groups_policy(
    path: &str,
    policy: Option<&str>,
    problems: &mut Problems,
) -> SupplementalGroupsPolicy {
    let field = format!("{path}.supplementalGroupsPolicy");
    let word = policy.unwrap_or("Merge");
    problems
        .word(field, word, GROUPS_POLICIES)
        .unwrap_or_default()
}

const PROC_MOUNTS: &[(&str, ProcMount)] = &[
    ("Default", ProcMount::Default),
    ("Unmasked", ProcMount::Unmasked),
];

/// The whole of /proc is only for who has users of its own.
fn proc_mount(
    path: &str,
    mount: Option<&str>,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> ProcMount {
    let field = format!("{path}.procMount");
    let word = mount.filter(|word| !word.is_empty()).unwrap_or("Default");
    if word == "Unmasked" && spec.host_users != Some(false) {
        let message = "Invalid value: \"Unmasked\": `hostUsers` must be false to use `Unmasked`";
        problems.invalid(&field, message);
    }
    problems.word(field, word, PROC_MOUNTS).unwrap_or_default()
}

fn selinux(options: core::SELinuxOptions) -> SelinuxOptions {
    SelinuxOptions {
        user: options.user.unwrap_or_default(),
        role: options.role.unwrap_or_default(),
        kind: options.type_.unwrap_or_default(),
        level: options.level.unwrap_or_default(),
    }
}

fn app_armor(
    path: &str,
    profile: Option<&core::AppArmorProfile>,
    problems: &mut Problems,
) -> Option<AppArmorProfile> {
    let profile = profile?;
    let path = format!("{path}.appArmorProfile");
    let name = profile.localhost_profile.clone().unwrap_or_default();
    if profile.type_ != "Localhost" && !name.is_empty() {
        let message = "Invalid value: can only be set when AppArmor type is Localhost";
        problems.invalid(format!("{path}.localhostProfile"), message);
    }
    match profile.type_.as_str() {
        "RuntimeDefault" => Some(AppArmorProfile::RuntimeDefault),
        "Unconfined" => Some(AppArmorProfile::Unconfined),
        "Localhost" => {
            if name.trim().is_empty() {
                problems.required(format!("{path}.localhostProfile"));
            }
            Some(AppArmorProfile::Localhost(name))
        }
        other => {
            let known = ["Localhost", "RuntimeDefault", "Unconfined"];
            problems.unsupported(format!("{path}.type"), other, &known);
            None
        }
    }
}

/// What the annotation of each container was called before there was a field.
const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Containers without a profile of their own get that of their annotation.
pub(super) fn app_armor_annotations(
    pod: &core::Pod,
    init: &mut [Container],
    containers: &mut [Container],
    problems: &mut Problems,
) {
    let annotations = pod.metadata.annotations.iter().flatten();
    for (key, value) in annotations {
        let Some(name) = key.strip_prefix(APP_ARMOR_ANNOTATION) else {
            continue;
        };
        let profile = match (value.as_str(), value.strip_prefix("localhost/")) {
            ("runtime/default", _) => AppArmorProfile::RuntimeDefault,
            ("unconfined", _) => AppArmorProfile::Unconfined,
            (_, Some(profile)) if !profile.is_empty() => {
                AppArmorProfile::Localhost(profile.to_owned())
            }
            _ => {
                let message = format!("Invalid value: {value:?}: invalid AppArmor profile name");
                problems.invalid(format!("metadata.annotations[{key}]"), message);
                continue;
            }
        };
        let mut all = init.iter_mut().chain(containers.iter_mut());
        if let Some(container) = all.find(|one| one.name.as_str() == name) {
            container.security.app_armor.get_or_insert(profile);
        }
    }
}

/// Who may do everything cannot be kept from gaining rights.
fn escalation(path: &str, context: &core::SecurityContext, problems: &mut Problems) {
    if context.allow_privilege_escalation != Some(false) {
        return;
    }
    let added = context
        .capabilities
        .as_ref()
        .and_then(|one| one.add.as_ref());
    let is_admin = |name: &String| matches!(name.as_str(), "SYS_ADMIN" | "CAP_SYS_ADMIN");
    let what = if context.privileged == Some(true) {
        "`privileged` to true"
    } else if added.into_iter().flatten().any(is_admin) {
        "`capabilities.add` to CAP_SYS_ADMIN"
    } else {
        return;
    };
    let message =
        format!("Invalid value: cannot set `allowPrivilegeEscalation` to false and {what}");
    problems.invalid(path, message);
}

/// User and group ids fit 31 bits.
fn id(field: &str, id: Option<i64>, problems: &mut Problems) -> Option<i64> {
    if id.is_some_and(|id| !(0..=i64::from(i32::MAX)).contains(&id)) {
        problems.invalid(
            field,
            format!("Invalid value: must be between 0 and {}", i32::MAX),
        );
    }
    id
}

fn seccomp(
    path: &str,
    profile: Option<&core::SeccompProfile>,
    problems: &mut Problems,
) -> Option<SeccompProfile> {
    let profile = profile?;
    let path = format!("{path}.seccompProfile");
    let file = profile.localhost_profile.clone().unwrap_or_default();
    if profile.type_ != "Localhost" && !file.is_empty() {
        let message = "Invalid value: can only be set when seccomp type is Localhost";
        problems.invalid(format!("{path}.localhostProfile"), message);
    }
    match profile.type_.as_str() {
        "RuntimeDefault" => Some(SeccompProfile::RuntimeDefault),
        "Unconfined" => Some(SeccompProfile::Unconfined),
        "Localhost" => {
            localhost(&format!("{path}.localhostProfile"), &file, problems);
            Some(SeccompProfile::Localhost(file))
        }
        other => {
            let known = ["Localhost", "RuntimeDefault", "Unconfined"];
            problems.unsupported(format!("{path}.type"), other, &known);
            None
        }
    }
}

fn localhost(field: &str, file: &str, problems: &mut Problems) {
    if file.is_empty() {
        problems.required(field);
    } else if file.starts_with('/') || file.split('/').any(|part| part == "..") {
        let message = format!("Invalid value: {file:?}: must be a relative path without '..'");
        problems.invalid(field, message);
    }
}
