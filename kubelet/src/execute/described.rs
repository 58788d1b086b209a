//! A driver's volume as a pod or a persistent volume describes it, and what follows from that: pure.
#![deny(clippy::disallowed_methods)]

use crate::csi::{Group, inline_handle};
use crate::model::{
    AccessMode, CsiDriver, FsGroupPolicy, InlineCsi, Migrated, PersistentSource, PersistentVolume,
    Pod, PodOrigin, SecretName, StringMap, Volume, VolumeLifecycle, VolumeMode, VolumeSource,
};
use crate::volume::VolumeError;

/// A volume of a driver.
pub(super) struct Described<'a> {
    /// The persistent volume's name, or the pod's name for its own.
    pub(super) volume: &'a str,
    /// The pod's name for it.
    outer: &'a str,
    pub(super) driver: String,
    pub(super) handle: String,
    pub(super) lifecycle: VolumeLifecycle,
    pub(super) mode: VolumeMode,
    pub(super) access: AccessMode,
    pub(super) read_only: bool,
    pub(super) fs_type: String,
    pub(super) mount_options: Vec<String>,
    pub(super) attributes: StringMap,
    pub(super) stage_secret: Option<SecretName>,
    pub(super) publish_secret: Option<SecretName>,
    pub(super) expand_secret: Option<SecretName>,
    pub(super) migrated: Migrated,
    /// The persistent volume, if it is one.
    pub(super) persistent: Option<&'a PersistentVolume>,
}

impl<'a> Described<'a> {
    /// The volume, if it is a driver's.
    pub(super) fn of(
        pod: &Pod,
        volume: &'a Volume,
        claimed: Option<&'a PersistentVolume>,
    ) -> Option<Self> {
        match (&volume.source, claimed) {
            (VolumeSource::Csi(csi), _) => Some(Self::inline(pod, &volume.name, csi)),
            (
                VolumeSource::Claim { read_only, .. } | VolumeSource::InTree { read_only, .. },
                Some(persistent),
            ) => Self::persistent(&volume.name, *read_only, persistent),
            _ => None,
        }
    }

    fn inline(pod: &Pod, name: &'a str, csi: &'a InlineCsi) -> Self {
        let secret = csi.publish_secret.clone();
        Self {
            volume: name,
            outer: name,
            driver: csi.driver.clone(),
            handle: inline_handle(&pod.uid, name),
            lifecycle: VolumeLifecycle::Ephemeral,
            mode: VolumeMode::Filesystem,
            access: AccessMode::ReadWriteOnce,
            read_only: csi.read_only,
            fs_type: csi.fs_type.clone(),
            mount_options: Vec::new(),
            attributes: csi.attributes.clone(),
            stage_secret: None,
            publish_secret: secret.map(|name| SecretName {
                namespace: pod.name.namespace.to_string(),
                name,
            }),
            expand_secret: None,
            migrated: Migrated::No,
            persistent: None,
        }
    }

    fn persistent(outer: &'a str, read_only: bool, volume: &'a PersistentVolume) -> Option<Self> {
        let PersistentSource::Csi(csi) = &volume.source else {
            return None;
        };
        Some(Self {
            volume: &volume.name,
            outer,
            driver: csi.driver.clone(),
            handle: csi.handle.clone(),
            lifecycle: VolumeLifecycle::Persistent,
            mode: volume.mode,
            access: volume
                .first_access_mode
                .unwrap_or(AccessMode::ReadWriteOnce),
            read_only,
            fs_type: csi.fs_type.clone(),
            mount_options: volume.mount_options.clone(),
            attributes: csi.attributes.clone(),
            stage_secret: csi.stage_secret.clone(),
            publish_secret: csi.publish_secret.clone(),
            expand_secret: csi.expand_secret.clone(),
            migrated: csi.migrated,
            persistent: Some(volume),
        })
    }

    /// Whether one pod alone may have it.
    pub(super) fn is_exclusive(&self) -> bool {
        self.persistent.is_some_and(|volume| {
            volume.access_modes.len() == 1
                && volume.access_modes.contains(&AccessMode::ReadWriteOncePod)
        })
    }

    /// Something did not work.
    pub(super) fn failed(&self, operation: &'static str, problem: String) -> VolumeError {
        VolumeError::Csi {
            operation,
            volume: self.volume.to_owned(),
            problem,
        }
    }

    /// Nobody says that it is attached.
    pub(super) fn unattached(&self) -> VolumeError {
        VolumeError::Unattached {
            volume: self.outer.to_owned(),
        }
    }

    /// It is not attached because the node has as many as it can have.
    pub(super) fn beyond_limit(&self) -> VolumeError {
        VolumeError::BeyondLimit {
            volume: self.outer.to_owned(),
        }
    }

    /// Whether it is written to from one node, as far as is known.
    fn is_written_once(&self) -> bool {
        self.persistent.is_none_or(|volume| {
            let once = [AccessMode::ReadWriteOnce, AccessMode::ReadWriteOncePod];
            let told = volume.first_access_mode;
            once.iter()
                .any(|mode| volume.access_modes.contains(mode) || told == Some(*mode))
        })
    }
}

/// Why the driver does not have such volumes.
pub(super) fn lifecycle_problem(
    described: &Described<'_>,
    driver: Option<&CsiDriver>,
) -> Option<String> {
    let (name, wanted) = (&described.driver, described.lifecycle);
    let mode = wanted.as_str();
    match driver {
        None if wanted == VolumeLifecycle::Persistent => None,
        None => Some(format!(
            "volume mode {mode:?} not supported by driver {name} (no CSIDriver object)"
        )),
        Some(driver) if driver.lifecycles.contains(&wanted) => None,
        Some(driver) => {
            let known: Vec<_> = driver.lifecycles.iter().map(|one| one.as_str()).collect();
            let known = known.join("\" \"");
            Some(format!(
                "volume mode {mode:?} not supported by driver {name} (only supports [\"{known}\"])"
            ))
        }
    }
}

/// Whether the cluster makes the volume be at this node first; or why nobody does, as its driver wants it.
pub(super) fn is_attached(
    pod: &Pod,
    described: &Described<'_>,
    driver: Option<&CsiDriver>,
) -> Result<bool, String> {
    let name = &described.driver;
    let required = driver.and_then(|driver| driver.attach_required);
    match (described.lifecycle, pod.origin == PodOrigin::Api, required) {
        (VolumeLifecycle::Ephemeral, _, _) | (_, _, Some(false)) | (_, false, None) => Ok(false),
        (VolumeLifecycle::Persistent, true, _) => Ok(true),
        (VolumeLifecycle::Persistent, false, Some(true)) => Err(format!(
            "driver {name} wants its volumes to be attached (attachRequired of its CSIDriver), and no \
             cluster does that for a pod of a manifest; say attachRequired: false if it can do without"
        )),
    }
}

/// The group that shall have the files.
pub(super) fn group(
    pod: &Pod,
    described: &Described<'_>,
    driver: Option<&CsiDriver>,
) -> Option<Group> {
    let security = &pod.spec.security;
    let id = security.fs_group.and_then(|gid| u32::try_from(gid).ok())?;
    let policy = driver.map(|driver| driver.fs_group).unwrap_or_default();
    let is_given = match policy {
        _ if described.read_only => false,
        FsGroupPolicy::None => false,
        FsGroupPolicy::File => true,
        FsGroupPolicy::ReadWriteOnceWithFsType => {
            !described.fs_type.is_empty() && described.is_written_once()
        }
    };
    Some(Group {
        id,
        change: security.fs_group_change,
        is_given: is_given && described.mode == VolumeMode::Filesystem,
    })
}

/// What drivers are told of pods.
pub(super) fn about_pod(pod: &Pod, lifecycle: VolumeLifecycle) -> StringMap {
    let spec = pod.manifest.spec.as_ref();
    let account = spec.and_then(|spec| spec.service_account_name.clone());
    let is_own = lifecycle == VolumeLifecycle::Ephemeral;
    [
        ("pod.name", pod.name.name.to_string()),
        ("pod.namespace", pod.name.namespace.to_string()),
        ("pod.uid", pod.uid.to_string()),
        ("serviceAccount.name", account.unwrap_or_default()),
        ("ephemeral", is_own.to_string()),
    ]
    .map(|(key, value)| (format!("csi.storage.k8s.io/{key}"), value))
    .into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::{CsiSource, Quantity, RestartPolicy};
    use crate::plan::fixture::pod;

    fn driver(policy: FsGroupPolicy, lifecycles: &[VolumeLifecycle]) -> CsiDriver {
        CsiDriver {
            attach_required: None,
            pod_info_on_mount: false,
            fs_group: policy,
            lifecycles: lifecycles.iter().copied().collect(),
            tokens: Vec::new(),
            tokens_in_secrets: false,
            requires_republish: false,
            limit_period: None,
        }
    }

    fn persistent(fs_type: &str, mode: AccessMode) -> PersistentVolume {
        PersistentVolume {
            name: "disk".to_owned(),
            labels: StringMap::new(),
            capacity: Quantity::ONE,
            access_modes: BTreeSet::from([mode]),
            first_access_mode: Some(mode),
            mode: VolumeMode::Filesystem,
            mount_options: Vec::new(),
            storage_class: String::new(),
            claim: None,
            source: PersistentSource::Csi(Box::new(CsiSource {
                driver: "d".to_owned(),
                handle: "h".to_owned(),
                fs_type: fs_type.to_owned(),
                ..CsiSource::default()
            })),
            nodes: None,
        }
    }

    fn with_group() -> Pod {
        let mut pod = pod(RestartPolicy::Always, &[], &["web"]);
        pod.spec.security.fs_group = Some(4242);
        pod
    }

    #[test]
    fn files_are_given_to_the_group_as_the_driver_says() {
        let of = |policy: Option<FsGroupPolicy>, fs_type, mode, read_only| {
            let (pod, volume) = (with_group(), persistent(fs_type, mode));
            let described = Described::persistent("v", read_only, &volume).unwrap();
            let driver = policy.map(|policy| driver(policy, &[]));
            group(&pod, &described, driver.as_ref()).unwrap().is_given
        };
        let (once, many) = (AccessMode::ReadWriteOnce, AccessMode::ReadWriteMany);
        let file = Some(FsGroupPolicy::File);
        let rows = [
            (of(None, "ext4", once, false), true),
            (of(None, "", once, false), false),
            (of(None, "ext4", many, false), false),
            (of(None, "ext4", once, true), false),
            (of(file, "", many, false), true),
            (of(file, "", many, true), false),
            (of(Some(FsGroupPolicy::None), "ext4", once, false), false),
        ];
        for (index, (given, expected)) in rows.into_iter().enumerate() {
            assert_eq!(given, expected, "row {index}");
        }
    }

    #[test]
    fn a_volume_of_a_kind_that_its_driver_does_not_have_is_refused() {
        let pod = with_group();
        let inline = InlineCsi {
            driver: "d".to_owned(),
            ..InlineCsi::default()
        };
        let described = Described::inline(&pod, "v", &inline);
        let problem = |driver: Option<&CsiDriver>| lifecycle_problem(&described, driver);
        assert_eq!(
            problem(None).as_deref(),
            Some("volume mode \"Ephemeral\" not supported by driver d (no CSIDriver object)")
        );
        let persistent = [VolumeLifecycle::Persistent];
        let only = driver(FsGroupPolicy::File, &persistent);
        assert_eq!(
            problem(Some(&only)).as_deref(),
            Some(
                "volume mode \"Ephemeral\" not supported by driver d (only supports [\"Persistent\"])"
            )
        );
        let both = [VolumeLifecycle::Persistent, VolumeLifecycle::Ephemeral];
        assert_eq!(problem(Some(&driver(FsGroupPolicy::File, &both))), None);
    }

    #[test]
    fn a_driver_is_told_of_the_pod() {
        let pod = with_group();
        let about = about_pod(&pod, VolumeLifecycle::Ephemeral);
        assert_eq!(about["csi.storage.k8s.io/ephemeral"], "true");
        assert_eq!(
            about["csi.storage.k8s.io/pod.name"],
            pod.name.name.to_string()
        );
        assert_eq!(about["csi.storage.k8s.io/pod.uid"], pod.uid.to_string());
        assert_eq!(about["csi.storage.k8s.io/serviceAccount.name"], "");
    }
}
