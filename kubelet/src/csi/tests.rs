//! The mounter with a driver that behaves: what is recorded, and what a new kubelet makes of it.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::place::Name;
use super::plan::Phase;
use super::record::{self, Record};
use super::*;
use crate::layout::Layout;
use crate::model::{Migrated, PodUid, VolumeMode};

fn name(handle: &str) -> Name {
    Name {
        driver: "d.example.com".to_owned(),
        handle: handle.to_owned(),
        volume: "disk".to_owned(),
        mode: VolumeMode::Filesystem,
        migrated: Migrated::No,
    }
}

fn layout(root: &TempDir) -> Layout {
    Layout::new(root.path(), &root.path().join("logs"))
}

fn keep(layout: &Layout, uid: &str, handle: &str, phase: Phase) {
    let mut record = Record::of(&name(handle));
    record.phase = phase;
    let spot = layout.published(&PodUid::from(uid), "disk", VolumeMode::Filesystem);
    record::write(&spot.directory, &record).unwrap();
}

#[test]
fn a_record_is_upstreams_and_what_was_done_holds_for_one_boot() {
    let root = TempDir::new().unwrap();
    let record = Record {
        phase: Phase::Done,
        boot: "now".to_owned(),
        ..Record::of(&name("h"))
    };
    record::write(root.path(), &record).unwrap();
    let text = fs::read_to_string(root.path().join("vol_data.json")).unwrap();
    let fields: std::collections::BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
    assert_eq!(fields["specVolID"], "disk");
    assert_eq!(fields["volumeHandle"], "h");
    assert_eq!(fields["driverName"], "d.example.com");
    let read = record::read(root.path()).unwrap().unwrap();
    assert_eq!(read, record);
    assert_eq!(read.phase_now("now"), Phase::Done);
    assert_eq!(read.phase_now("later"), Phase::Called);
}

#[test]
fn what_upstreams_kubelet_has_recorded_may_be_mounted() {
    let root = TempDir::new().unwrap();
    let text = r#"{"attachmentID":"csi-1","driverName":"d","nodeName":"n","specVolID":"disk",
        "volumeHandle":"h","volumeLifecycleMode":"Persistent"}"#;
    fs::write(root.path().join("vol_data.json"), text).unwrap();
    let read = record::read(root.path()).unwrap().unwrap();
    assert_eq!(read.phase_now("now"), Phase::Called);
    assert_eq!(read.name().handle, "h");
}

#[test]
fn the_users_of_a_volume_are_the_pods_that_may_have_it() {
    let root = TempDir::new().unwrap();
    let layout = layout(&root);
    keep(&layout, "a", "h", Phase::Wanted);
    keep(&layout, "b", "h", Phase::Done);
    keep(&layout, "c", "other", Phase::Done);
    let mut users = record::users(&layout, &name("h")).unwrap();
    users.sort_by_key(|(uid, _)| uid.clone());
    assert_eq!(
        users,
        [
            (PodUid::from("a"), Phase::Wanted),
            (PodUid::from("b"), Phase::Done)
        ]
    );
    assert!(record::users(&layout, &name("none")).unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_no_driver_was_asked_for_needs_none_to_be_taken_away() {
    let root = TempDir::new().unwrap();
    let layout = layout(&root);
    keep(&layout, "a", "h", Phase::Wanted);
    keep(&layout, "b", "h", Phase::Called);
    let mounter = Mounter::new(layout.clone(), Drivers::default(), "node");
    let (a, b) = (PodUid::from("a"), PodUid::from("b"));
    mounter.tear_down(&a).await.unwrap();
    assert!(!is_kept(&layout, &a));
    let missing = mounter.tear_down(&b).await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "UnmountVolume.TearDown failed for volume \"disk\" : kubernetes.io/csi: \
         Unmounter.TearDownAt failed to get CSI client: driver name d.example.com not found in the \
         list of registered CSI drivers"
    );
    assert!(
        is_kept(&layout, &b),
        "it is taken away when the driver is back"
    );
    mounter.tear_down(&a).await.unwrap();
}

fn is_kept(layout: &Layout, uid: &PodUid) -> bool {
    let spot = layout.published(uid, "disk", VolumeMode::Filesystem);
    Path::new(&spot.directory).exists()
}
