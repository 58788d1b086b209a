//! What each volume of a plugin of old is to its driver: tables.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;
use serde_json::{Value, json};

use super::*;
use crate::model::ObjectKind;
use crate::model::{LabelRequirement, Object, SecretName};
use crate::source::convert::read_object;

/// A persistent volume with these labels and annotations, and more in its spec.
fn volume(metadata: Value, spec: Value) -> Result<Arc<PersistentVolume>, String> {
    let mut object = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata,
        "spec": { "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "1Gi" } },
    });
    object["metadata"]["name"] = "disk".into();
    for (key, value) in spec.as_object().cloned().unwrap_or_default() {
        object["spec"][key] = value;
    }
    match read_object(ObjectKind::PersistentVolume, object)? {
        Object::PersistentVolume(volume) => Ok(volume),
        other => panic!("it is something else: {other:?}"),
    }
}

fn csi(volume: &PersistentVolume) -> &CsiSource {
    match &volume.source {
        PersistentSource::Csi(csi) => csi,
        other => panic!("it is no driver's: {other:?}"),
    }
}

fn of_pod(source: Value) -> (Arc<PersistentVolume>, bool) {
    let mut volume = source;
    volume["name"] = "room".into();
    let volume: core::Volume = serde_json::from_value(volume).unwrap();
    let mut problems = Problems::default();
    let made = inline("spec.volumes[0]", &volume, "shop", &mut problems);
    assert_eq!(problems.none(), Ok(()));
    match made {
        Some(VolumeSource::InTree { volume, read_only }) => (volume, read_only),
        other => panic!("it is something else: {other:?}"),
    }
}

fn attributes(source: &CsiSource) -> Vec<(&str, &str)> {
    let mut all: Vec<_> = source
        .attributes
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    all.sort_unstable();
    all
}

/// What is written, and what its driver calls it: driver, handle, filesystem, attributes.
type Row = (
    Value,
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

fn rows() -> Vec<Row> {
    let uri = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/d";
    vec![
        (
            json!({ "awsElasticBlockStore": { "volumeID": "aws://us-east-1a/vol-1", "fsType": "xfs" } }),
            "ebs.csi.aws.com",
            "vol-1",
            "xfs",
            &[("partition", "0")],
        ),
        (
            json!({ "awsElasticBlockStore": { "volumeID": "vol-2", "partition": 3 } }),
            "ebs.csi.aws.com",
            "vol-2",
            "",
            &[("partition", "3")],
        ),
        (
            json!({ "azureDisk": { "diskName": "d", "diskURI": uri, "kind": "managed" } }),
            "disk.csi.azure.com",
            uri,
            "ext4",
            &[
                ("cachingmode", "ReadWrite"),
                ("fstype", "ext4"),
                ("kind", "Managed"),
            ],
        ),
        (
            json!({ "azureDisk": {
                "diskName": "d", "diskURI": uri, "kind": "Managed", "fsType": "xfs", "cachingMode": "None",
            } }),
            "disk.csi.azure.com",
            uri,
            "xfs",
            &[
                ("cachingmode", "None"),
                ("fstype", "xfs"),
                ("kind", "Managed"),
            ],
        ),
        (
            json!({ "cinder": { "volumeID": "c1", "fsType": "ext4" } }),
            "cinder.csi.openstack.org",
            "c1",
            "ext4",
            &[],
        ),
        (
            json!({ "gcePersistentDisk": { "pdName": "p", "fsType": "ext4", "partition": 2 } }),
            "pd.csi.storage.gke.io",
            "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/p",
            "ext4",
            &[("partition", "2")],
        ),
        (
            json!({ "gcePersistentDisk": { "pdName": "p" } }),
            "pd.csi.storage.gke.io",
            "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/p",
            "",
            &[("partition", "")],
        ),
        (
            json!({ "portworxVolume": { "volumeID": "w", "fsType": "xfs" } }),
            "pxd.portworx.com",
            "w",
            "xfs",
            &[],
        ),
        (
            json!({ "vsphereVolume": {
                "volumePath": "[ds] k/v.vmdk", "fsType": "ext4", "storagePolicyName": "gold",
            } }),
            "csi.vsphere.vmware.com",
            "[ds] k/v.vmdk",
            "ext4",
            &[("storagepolicyname", "gold")],
        ),
    ]
}

#[test]
fn volumes_of_plugins_of_old_are_those_of_the_drivers_that_have_them() {
    for (source, driver, handle, fs_type, expected) in rows() {
        let volume = volume(json!({}), source.clone()).unwrap();
        let (own, _) = of_pod(source.clone());
        for found in [csi(&volume), csi(&own)] {
            let is = (&*found.driver, &*found.handle, &*found.fs_type);
            assert_eq!(is, (driver, handle, fs_type), "{source}");
            assert_eq!(attributes(found), expected, "{source}");
            assert_eq!(found.migrated.as_str(), "true");
        }
    }
}

#[test]
fn a_share_is_known_by_its_account_its_volume_and_where_its_secret_is() {
    let share = |secret: &str| json!({ "shareName": "s", "secretName": secret, "readOnly": true });
    let claim = json!({ "namespace": "shop", "name": "c" });
    let annotated = json!({ "annotations": { "kubernetes.io/azure-file-resource-group": "g" } });
    let mut written = share("azure-storage-account-a1-secret");
    let named = |name: &str, namespace: &str| {
        Some(SecretName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    };
    let of_claim = volume(
        annotated,
        json!({ "azureFile": written, "claimRef": claim }),
    );
    let of_claim = of_claim.unwrap();
    assert_eq!(csi(&of_claim).handle, "g#a1#s#disk#shop");
    let secret = named("azure-storage-account-a1-secret", "shop");
    assert_eq!(csi(&of_claim).stage_secret, secret);
    assert_eq!(attributes(csi(&of_claim)), [("sharename", "s")]);

    written["secretNamespace"] = "vault".into();
    let said = volume(json!({}), json!({ "azureFile": written })).unwrap();
    assert_eq!(csi(&said).handle, "#a1#s#disk#vault");

    let (own, read_only) = of_pod(json!({ "azureFile": share("plain") }));
    assert!(read_only);
    assert_eq!(csi(&own).handle, "#plain#s#room#shop");
    assert_eq!(csi(&own).stage_secret, named("plain", "shop"));
    assert_eq!(own.name, "#plain#s#room#shop");
    assert_eq!(own.first_access_mode, Some(AccessMode::ReadWriteMany));
}

#[test]
fn one_secret_shows_everything_to_portworx() {
    let annotations = json!({ "annotations": {
        "openstorage.io/auth-secret-name": "key", "openstorage.io/auth-secret-namespace": "vault",
    } });
    let source = json!({ "portworxVolume": { "volumeID": "w" } });
    let found = volume(annotations, source.clone()).unwrap();
    let secret = Some(SecretName {
        namespace: "vault".to_owned(),
        name: "key".to_owned(),
    });
    let CsiSource {
        stage_secret,
        publish_secret,
        expand_secret,
        ..
    } = csi(&found);
    assert_eq!([stage_secret, publish_secret, expand_secret], [&secret; 3]);
    let half = json!({ "annotations": { "openstorage.io/auth-secret-name": "key" } });
    let found = volume(half, source).unwrap();
    assert_eq!(csi(&found).stage_secret, None);
}

#[test]
fn what_no_driver_can_have_is_told_by_name() {
    let disk = |kind: &str| json!({ "diskName": "d", "diskURI": "https://d.vhd", "kind": kind });
    let regions = json!({ "labels": { "topology.kubernetes.io/zone": "a-b-c__a-d-e" } });
    let strange = json!({ "labels": { "topology.kubernetes.io/zone": "a-b-c__z" } });
    let gce = json!({ "gcePersistentDisk": { "pdName": "p" } });
    let rows = [
        (
            json!({}),
            json!({ "azureDisk": disk("Dedicated") }),
            "kind(Dedicated) is not supported in csi migration",
        ),
        (
            json!({}),
            json!({ "azureDisk": { "diskName": "d", "diskURI": "u" } }),
            "kind(Shared) is not supported in csi migration",
        ),
        (
            json!({}),
            json!({ "azureFile": { "shareName": "s", "secretName": "k" } }),
            "could not find a secret namespace in PersistentVolumeSource or ClaimRef",
        ),
        (
            json!({}),
            json!({ "awsElasticBlockStore": { "volumeID": "aws://z/snap-1" } }),
            "Invalid format for AWS volume (aws://z/snap-1)",
        ),
        (
            regions,
            gce.clone(),
            "failed to get region from zones: multiple or no regions gotten from zones, got: map[a-b:{} a-d:{}]",
        ),
        (
            strange,
            gce,
            "failed to get region from zones: zone in unexpected format, expected: \
             {locale}-{region}-{zone}, got: z",
        ),
    ];
    for (metadata, source, expected) in rows {
        match &volume(metadata, source.clone()).unwrap().source {
            PersistentSource::NotTranslated { problem } => assert_eq!(problem, expected),
            other => panic!("{source}: {other:?}"),
        }
    }
    let (own, _) = of_pod(json!({ "awsElasticBlockStore": { "volumeID": "aws://z/snap-1" } }));
    let problem = "failed to translate Kubernetes ID to EBS Volume ID Invalid format for AWS volume \
                   (aws://z/snap-1)";
    let problem = problem.to_owned();
    assert_eq!(own.source, PersistentSource::NotTranslated { problem });
}

#[test]
fn what_is_missing_or_wrong_in_a_volume_of_old_is_told_with_its_field() {
    let rows = [
        (
            json!({ "gcePersistentDisk": { "pdName": "", "partition": 256 } }),
            vec![
                "gcePersistentDisk.pdName: Required value",
                "gcePersistentDisk.partition: Invalid value: 256: must be between 0 and 255, inclusive",
            ],
        ),
        (
            json!({ "azureDisk": { "diskName": "", "diskURI": "" } }),
            vec![
                "azureDisk.diskName: Required value",
                "azureDisk.diskURI: Required value",
            ],
        ),
        (
            json!({ "azureFile": { "shareName": "", "secretName": "", "secretNamespace": "" } }),
            vec![
                "azureFile.secretName: Required value",
                "azureFile.shareName: Required value",
                "azureFile.secretNamespace: Required value",
            ],
        ),
        (
            json!({ "cinder": { "volumeID": "", "secretRef": { "name": "k" } } }),
            vec![
                "cinder.volumeID: Required value",
                "cinder.secretRef.namespace: Required value",
            ],
        ),
        (
            json!({ "vsphereVolume": { "volumePath": "" } }),
            vec!["vsphereVolume.volumePath: Required value"],
        ),
    ];
    for (source, expected) in rows {
        let problem = volume(json!({}), source).unwrap_err();
        for words in expected {
            assert!(problem.contains(&format!("spec.{words}")), "{problem}");
        }
    }
}

#[test]
fn a_disk_of_one_zone_is_there_and_one_of_many_is_in_their_region() {
    let disk = |zones: &str| {
        let labels = json!({ "labels": { "failure-domain.beta.kubernetes.io/zone": zones } });
        let source = json!({ "gcePersistentDisk": { "pdName": "p" } });
        csi(&volume(labels, source).unwrap()).handle.clone()
    };
    assert_eq!(disk("a-b-c"), "projects/UNSPECIFIED/zones/a-b-c/disks/p");
    assert_eq!(
        disk("a-b-c__a-b-d"),
        "projects/UNSPECIFIED/regions/a-b/disks/p"
    );
}

#[test]
fn a_driver_is_told_of_an_access_mode_that_it_does_not_refuse() {
    let told = |modes: &[&str]| {
        let source = json!({ "gcePersistentDisk": { "pdName": "p" }, "accessModes": modes });
        let volume = volume(json!({}), source).unwrap();
        let written: BTreeSet<_> = volume.access_modes.iter().copied().collect();
        assert_eq!(written.len(), modes.len(), "claims ask for what is written");
        volume.first_access_mode
    };
    let (once, read) = (AccessMode::ReadWriteOnce, AccessMode::ReadOnlyMany);
    assert_eq!(told(&["ReadWriteMany"]), Some(once));
    assert_eq!(told(&["ReadOnlyMany", "ReadWriteOnce"]), Some(once));
    assert_eq!(told(&["ReadOnlyMany"]), Some(read));
    let own = |read_only: bool| {
        of_pod(json!({ "gcePersistentDisk": { "pdName": "p", "readOnly": read_only } }))
    };
    assert_eq!(own(true).0.first_access_mode, Some(read));
    assert_eq!(own(false).0.first_access_mode, Some(once));
    assert_eq!(own(false).0.name, "pd.csi.storage.gke.io-p");
}

#[test]
fn zones_are_asked_for_by_the_label_of_the_driver() {
    let ga = "topology.kubernetes.io/zone";
    let beta = "failure-domain.beta.kubernetes.io/zone";
    let of = |key: &str, values: &[&str]| {
        let values = values.iter().map(|one| (*one).to_owned()).collect();
        LabelRequirement::In(key.to_owned(), values)
    };
    let nodes =
        |plugin: InTree, terms: Option<Vec<Vec<LabelRequirement>>>, labels: &[(&str, &str)]| {
            let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            let labels = labels.iter().map(owned).collect();
            topology::nodes(plugin, terms, &labels)
        };
    let gke = "topology.gke.io/zone";
    let aws = "topology.ebs.csi.aws.com/zone";
    let host = || of("kubernetes.io/hostname", &["n"]);
    let region = "failure-domain.beta.kubernetes.io/region";
    let now = "topology.kubernetes.io/region";
    let vmware = |what: &str| format!("topology.csi.vmware.com/{what}");
    let rows = [
        // What is required is required of the driver's label.
        (
            nodes(
                InTree::GcePd,
                Some(vec![vec![of(ga, &["a"]), host()]]),
                &[(ga, "z")],
            ),
            Some(vec![vec![of(gke, &["a"]), host()]]),
        ),
        // What only labels say is required of every alternative.
        (
            nodes(
                InTree::AwsEbs,
                Some(vec![vec![host()], vec![host()]]),
                &[(ga, "b__ a__")],
            ),
            Some(vec![vec![host(), of(aws, &["a", "b"])]; 2]),
        ),
        (
            nodes(InTree::AwsEbs, None, &[(beta, "a")]),
            Some(vec![vec![of(aws, &["a"])]]),
        ),
        (nodes(InTree::AwsEbs, None, &[]), None),
        // Labels of old become those of now.
        (
            nodes(
                InTree::Cinder,
                Some(vec![vec![of(beta, &["a"]), of(region, &["r"])]]),
                &[],
            ),
            Some(vec![vec![
                of("topology.cinder.csi.openstack.org/zone", &["a"]),
                of(now, &["r"]),
            ]]),
        ),
        // One driver has regions of its own.
        (
            nodes(InTree::Vsphere, None, &[(ga, "a__b"), (now, "r")]),
            Some(vec![vec![
                of(&vmware("zone"), &["a__b"]),
                of(&vmware("region"), &["r"]),
            ]]),
        ),
        // Some drivers have no zones.
        (
            nodes(
                InTree::Portworx,
                Some(vec![vec![of(ga, &["a"])]]),
                &[(ga, "z")],
            ),
            Some(vec![vec![of(ga, &["a"])]]),
        ),
    ];
    for (index, (found, expected)) in rows.into_iter().enumerate() {
        assert_eq!(found, expected, "row {index}");
    }
}
