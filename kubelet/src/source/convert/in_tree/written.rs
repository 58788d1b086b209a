//! Volumes of plugins of old as manifests write them: those of pods, and those that outlive pods.

use k8s_openapi::api::core::v1 as core;

use crate::model::InTree;
use crate::source::problem::Problems;

/// A volume of a plugin of old, as it is written.
pub(super) enum Written<'a> {
    AwsEbs(&'a core::AWSElasticBlockStoreVolumeSource),
    AzureDisk(&'a core::AzureDiskVolumeSource),
    AzureFile(Share<'a>),
    Cinder(Cinder<'a>),
    GcePd(&'a core::GCEPersistentDiskVolumeSource),
    Portworx(&'a core::PortworxVolumeSource),
    Vsphere(&'a core::VsphereVirtualDiskVolumeSource),
}

/// A share of Azure's.
pub(super) struct Share<'a> {
    pub(super) share: &'a str,
    pub(super) secret: &'a str,
    pub(super) namespace: Option<&'a str>,
    read_only: Option<bool>,
}

/// A volume of Cinder's.
pub(super) struct Cinder<'a> {
    pub(super) volume: &'a str,
    pub(super) fs_type: Option<&'a str>,
    read_only: Option<bool>,
    /// Parts of what shows that it may be used, each with its value.
    secret: Vec<(&'static str, &'a str)>,
}

impl<'a> Written<'a> {
    /// A persistent volume, if it is one.
    pub(super) fn of_persistent(spec: &'a core::PersistentVolumeSpec) -> Option<Self> {
        let share = |file: &'a core::AzureFilePersistentVolumeSource| {
            Self::AzureFile(Share {
                share: &file.share_name,
                secret: &file.secret_name,
                namespace: file.secret_namespace.as_deref(),
                read_only: file.read_only,
            })
        };
        let cinder = |cinder: &'a core::CinderPersistentVolumeSource| {
            let secret = cinder.secret_ref.iter().flat_map(|secret| {
                let name = secret.name.as_deref().unwrap_or_default();
                let namespace = secret.namespace.as_deref().unwrap_or_default();
                [("name", name), ("namespace", namespace)]
            });
            Self::Cinder(Cinder {
                volume: &cinder.volume_id,
                fs_type: cinder.fs_type.as_deref(),
                read_only: cinder.read_only,
                secret: secret.collect(),
            })
        };
        let aws = spec.aws_elastic_block_store.as_ref().map(Self::AwsEbs);
        aws.or_else(|| spec.azure_disk.as_ref().map(Self::AzureDisk))
            .or_else(|| spec.azure_file.as_ref().map(share))
            .or_else(|| spec.cinder.as_ref().map(cinder))
            .or_else(|| spec.gce_persistent_disk.as_ref().map(Self::GcePd))
            .or_else(|| spec.portworx_volume.as_ref().map(Self::Portworx))
            .or_else(|| spec.vsphere_volume.as_ref().map(Self::Vsphere))
    }

    /// A volume of a pod, if it is one.
    pub(super) fn of_pod(volume: &'a core::Volume) -> Option<Self> {
        let share = |file: &'a core::AzureFileVolumeSource| {
            Self::AzureFile(Share {
                share: &file.share_name,
                secret: &file.secret_name,
                namespace: None,
                read_only: file.read_only,
            })
        };
        let cinder = |cinder: &'a core::CinderVolumeSource| {
            let secret = cinder.secret_ref.iter();
            let secret = secret.map(|secret| ("name", secret.name.as_str()));
            Self::Cinder(Cinder {
                volume: &cinder.volume_id,
                fs_type: cinder.fs_type.as_deref(),
                read_only: cinder.read_only,
                secret: secret.collect(),
            })
        };
        let aws = volume.aws_elastic_block_store.as_ref().map(Self::AwsEbs);
        aws.or_else(|| volume.azure_disk.as_ref().map(Self::AzureDisk))
            .or_else(|| volume.azure_file.as_ref().map(share))
            .or_else(|| volume.cinder.as_ref().map(cinder))
            .or_else(|| volume.gce_persistent_disk.as_ref().map(Self::GcePd))
            .or_else(|| volume.portworx_volume.as_ref().map(Self::Portworx))
            .or_else(|| volume.vsphere_volume.as_ref().map(Self::Vsphere))
    }

    /// Whose it was.
    pub(super) fn plugin(&self) -> InTree {
        match self {
            Self::AwsEbs(_) => InTree::AwsEbs,
            Self::AzureDisk(_) => InTree::AzureDisk,
            Self::AzureFile(_) => InTree::AzureFile,
            Self::Cinder(_) => InTree::Cinder,
            Self::GcePd(_) => InTree::GcePd,
            Self::Portworx(_) => InTree::Portworx,
            Self::Vsphere(_) => InTree::Vsphere,
        }
    }

    /// Whether writing is refused.
    pub(super) fn is_read_only(&self) -> bool {
        let said = match self {
            Self::AwsEbs(disk) => disk.read_only,
            Self::AzureDisk(disk) => disk.read_only,
            Self::AzureFile(share) => share.read_only,
            Self::Cinder(volume) => volume.read_only,
            Self::GcePd(disk) => disk.read_only,
            Self::Portworx(volume) => volume.read_only,
            Self::Vsphere(_) => None,
        };
        said == Some(true)
    }

    /// Tells all that is wrong with it; it stands at `path`.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        let (kind, required, partition) = match self {
            Self::AwsEbs(disk) => (
                "awsElasticBlockStore",
                vec![("volumeID", disk.volume_id.as_str())],
                disk.partition,
            ),
            Self::AzureDisk(disk) => (
                "azureDisk",
                vec![
                    ("diskName", disk.disk_name.as_str()),
                    ("diskURI", disk.disk_uri.as_str()),
                ],
                None,
            ),
            Self::AzureFile(share) => {
                let namespace = share.namespace.map(|one| ("secretNamespace", one));
                let mut required = vec![("secretName", share.secret), ("shareName", share.share)];
                required.extend(namespace);
                ("azureFile", required, None)
            }
            Self::Cinder(volume) => ("cinder", vec![("volumeID", volume.volume)], None),
            Self::GcePd(disk) => (
                "gcePersistentDisk",
                vec![("pdName", disk.pd_name.as_str())],
                disk.partition,
            ),
            Self::Portworx(volume) => (
                "portworxVolume",
                vec![("volumeID", volume.volume_id.as_str())],
                None,
            ),
            Self::Vsphere(disk) => (
                "vsphereVolume",
                vec![("volumePath", disk.volume_path.as_str())],
                None,
            ),
        };
        let missing = required.into_iter().filter(|(_, value)| value.is_empty());
        for (field, _) in missing {
            problems.required(format!("{path}.{kind}.{field}"));
        }
        if let Self::Cinder(volume) = self {
            for (part, _) in volume.secret.iter().filter(|(_, value)| value.is_empty()) {
                problems.required(format!("{path}.{kind}.secretRef.{part}"));
            }
        }
        if let Some(partition) = partition.filter(|number| !(0..=255).contains(number)) {
            let message =
                format!("Invalid value: {partition}: must be between 0 and 255, inclusive");
            problems.invalid(format!("{path}.{kind}.partition"), message);
        }
    }
}
