//! What a volume of a plugin of old is to the driver that has it now, or why no driver can have it: in
//! upstream's words.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;

use super::About;
use super::written::{Share, Written};
use crate::model::{CsiSource, Migrated, SecretName, StringMap};

/// What nobody says of a disk of Google's.
const UNSPECIFIED: &str = "UNSPECIFIED";
/// What stands between the zones of a volume's label.
pub(super) const BETWEEN_ZONES: &str = "__";
/// Where the zone of a volume is told, as of old and now.
pub(super) const ZONES: [&str; 2] = [
    "failure-domain.beta.kubernetes.io/zone",
    "topology.kubernetes.io/zone",
];

impl Written<'_> {
    /// The volume as its driver knows it.
    pub(super) fn translate(&self, about: &About<'_>) -> Result<CsiSource, String> {
        let source = match self {
            Self::AwsEbs(disk) => aws(disk),
            Self::AzureDisk(disk) => azure_disk(disk),
            Self::AzureFile(share) => azure_file(share, about),
            Self::Cinder(volume) => Ok(plain(volume.volume, volume.fs_type)),
            Self::GcePd(disk) => gce(disk, about),
            Self::Portworx(volume) => Ok(portworx(volume, about)),
            Self::Vsphere(disk) => Ok(vsphere(disk)),
        };
        source.map(|source| CsiSource {
            driver: self.plugin().driver().to_owned(),
            migrated: Migrated::Yes,
            ..source
        })
    }
}

fn plain(handle: &str, fs_type: Option<&str>) -> CsiSource {
    CsiSource {
        handle: handle.to_owned(),
        fs_type: fs_type.unwrap_or_default().to_owned(),
        ..CsiSource::default()
    }
}

fn aws(disk: &core::AWSElasticBlockStoreVolumeSource) -> Result<CsiSource, String> {
    let partition = disk.partition.unwrap_or(0).to_string();
    Ok(CsiSource {
        attributes: [("partition".to_owned(), partition)].into(),
        ..plain(aws_name(&disk.volume_id)?, disk.fs_type.as_deref())
    })
}

/// The disk's own name: written alone, or as `aws://ZONE/NAME`.
fn aws_name(written: &str) -> Result<&str, String> {
    let Some(rest) = written.strip_prefix("aws://") else {
        return Ok(written);
    };
    let name = rest.split_once('/').map_or("", |(_, path)| path);
    let name = name.trim_matches('/');
    match name.starts_with("vol-") && !name.contains('/') {
        true => Ok(name),
        false => Err(format!("Invalid format for AWS volume ({written})")),
    }
}

/// Only disks that Azure manages are the driver's; a disk that does not say it is one is none.
fn azure_disk(disk: &core::AzureDiskVolumeSource) -> Result<CsiSource, String> {
    const MANAGED: &str = "Managed";
    let kind = disk.kind.as_deref().unwrap_or("Shared");
    if !kind.eq_ignore_ascii_case(MANAGED) {
        return Err(format!("kind({kind}) is not supported in csi migration"));
    }
    let fs_type = disk.fs_type.as_deref().unwrap_or("ext4");
    let caching = disk.caching_mode.as_deref().unwrap_or("ReadWrite");
    let attributes = [
        ("kind", MANAGED),
        ("cachingmode", caching),
        ("fstype", fs_type),
    ];
    Ok(CsiSource {
        attributes: owned(attributes),
        ..plain(&disk.disk_uri, Some(fs_type))
    })
}

fn azure_file(share: &Share<'_>, about: &About<'_>) -> Result<CsiSource, String> {
    let group = about
        .annotations
        .get("kubernetes.io/azure-file-resource-group");
    let namespace = share.namespace.or(about.namespace).unwrap_or_default();
    if namespace.is_empty() {
        let why = "could not find a secret namespace in PersistentVolumeSource or ClaimRef";
        return Err(why.to_owned());
    }
    let parts = [
        group.map_or("", String::as_str),
        azure_account(share.secret),
        share.share,
        about.name,
        namespace,
    ];
    Ok(CsiSource {
        attributes: owned([("sharename", share.share)]),
        stage_secret: Some(SecretName {
            namespace: namespace.to_owned(),
            name: share.secret.to_owned(),
        }),
        ..plain(&parts.join("#"), None)
    })
}

/// The account that a Secret is for, by the Secret's name.
fn azure_account(secret: &str) -> &str {
    let after = secret.split_once("azure-storage-account-");
    let account = after.and_then(|(_, rest)| rest.rsplit_once("-secret"));
    match account {
        Some((account, _)) if !account.is_empty() => account,
        _ => secret,
    }
}

fn gce(disk: &core::GCEPersistentDiskVolumeSource, about: &About<'_>) -> Result<CsiSource, String> {
    let zones = ZONES.iter().filter_map(|label| about.labels.get(*label));
    let zones = zones.map(String::as_str).find(|zones| !zones.is_empty());
    let zones: Vec<_> = zones
        .into_iter()
        .flat_map(|all| all.split(BETWEEN_ZONES))
        .collect();
    let place = match zones.as_slice() {
        [] => format!("zones/{UNSPECIFIED}"),
        [zone] => format!("zones/{zone}"),
        zones => {
            let region = gce_region(zones);
            let region = region.map_err(|why| format!("failed to get region from zones: {why}"))?;
            format!("regions/{region}")
        }
    };
    let handle = format!("projects/{UNSPECIFIED}/{place}/disks/{}", disk.pd_name);
    let partition = disk.partition.filter(|number| *number != 0);
    let partition = partition.map(|number| number.to_string());
    Ok(CsiSource {
        attributes: [("partition".to_owned(), partition.unwrap_or_default())].into(),
        ..plain(&handle, disk.fs_type.as_deref())
    })
}

/// The region that all the zones are in.
fn gce_region(zones: &[&str]) -> Result<String, String> {
    let mut regions = BTreeSet::new();
    for zone in zones {
        let parts: Vec<_> = zone.split('-').collect();
        let [locale, region, _] = parts.as_slice() else {
            return Err(format!(
                "zone in unexpected format, expected: {{locale}}-{{region}}-{{zone}}, got: {zone}"
            ));
        };
        regions.insert(format!("{locale}-{region}"));
    }
    if let (1, Some(region)) = (regions.len(), regions.first()) {
        return Ok(region.clone());
    }
    let regions: Vec<_> = regions.iter().map(|one| format!("{one}:{{}}")).collect();
    let regions = regions.join(" ");
    Err(format!(
        "multiple or no regions gotten from zones, got: map[{regions}]"
    ))
}

/// One Secret shows everything, if the volume names one.
fn portworx(volume: &core::PortworxVolumeSource, about: &About<'_>) -> CsiSource {
    let said = |what: &str| {
        about
            .annotations
            .get(&format!("openstorage.io/{what}"))
            .cloned()
    };
    let secret = said("auth-secret-name").zip(said("auth-secret-namespace"));
    let secret = secret.map(|(name, namespace)| SecretName { namespace, name });
    CsiSource {
        stage_secret: secret.clone(),
        publish_secret: secret.clone(),
        expand_secret: secret,
        ..plain(&volume.volume_id, volume.fs_type.as_deref())
    }
}

fn vsphere(disk: &core::VsphereVirtualDiskVolumeSource) -> CsiSource {
    let policy = disk.storage_policy_name.as_deref();
    let policy = policy.filter(|policy| !policy.is_empty());
    CsiSource {
        attributes: policy
            .map(|policy| owned([("storagepolicyname", policy)]))
            .unwrap_or_default(),
        ..plain(&disk.volume_path, disk.fs_type.as_deref())
    }
}

fn owned<const N: usize>(pairs: [(&str, &str); N]) -> StringMap {
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}
