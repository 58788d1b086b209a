//! Who a pod and its containers run as, and what they may do.

use k8s_openapi::api::core::v1 as core;

use crate::model::{
    Capabilities, ContainerSecurity, FsGroupChange, PodSecurity, SeccompProfile, SecurityIdentity,
    Sysctl,
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
        seccomp: seccomp(path, context.seccomp_profile.as_ref(), problems),
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
        seccomp: seccomp(&path, context.seccomp_profile.as_ref(), problems),
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
