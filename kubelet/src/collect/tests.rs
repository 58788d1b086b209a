//! Images that nobody uses, removed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::ledger::{Ledger, Unused};
use super::policy::{Excess, Policy, readable};
use super::{CollectError, ImageCollector};
use crate::cri::fake::{FakeRuntime, Used};
use crate::cri::{
    ContainerConfig, Containers, FilesystemUsage, Image, ImageFilesystems, ImageReference,
    SandboxConfig, Sandboxes,
};
use crate::event::EventLog;
use crate::labels;
use crate::metrics::UpkeepMetrics;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn image(id: &str) -> Image {
    Image {
        id: id.to_owned(),
        tags: vec![format!("{id}:latest")],
        size: 10,
        ..Image::default()
    }
}

fn names(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

fn ids(unused: &[Unused]) -> Vec<&str> {
    unused.iter().map(|one| one.id.as_str()).collect()
}

const POLICY: Policy = Policy {
    high_percent: 85,
    low_percent: 80,
    least_age: Duration::from_secs(120),
    most_age: Some(Duration::from_secs(3600)),
};

#[test]
fn what_was_used_longest_ago_goes_first_and_what_is_used_or_pinned_never() {
    let mut ledger = Ledger::default();
    let pinned = Image {
        is_pinned: true,
        ..image("pinned")
    };
    let mut all = vec![image("a"), image("b"), pinned];
    ledger.note(&all, &names(&["a:latest"]), at(1));
    all.push(image("c"));
    ledger.note(&all, &names(&["b"]), at(2));
    all.push(image("d"));
    ledger.note(&all, &names(&["d"]), at(3));
    // Never used, then used at 1, then at 2; the one in use is not among them.
    assert_eq!(ids(&ledger.unused()), ["c", "a", "b"]);
    ledger.strike("a");
    assert_eq!(ids(&ledger.unused()), ["c", "b"]);
    // What has gone and come again is new.
    ledger.note(&all[2..], &names(&[]), at(4));
    ledger.note(&all, &names(&[]), at(5));
    let unused = ledger.unused();
    let b = unused.iter().find(|one| one.id == "b").unwrap();
    assert_eq!((b.seen_first, b.used_last), (at(5), None));
}

#[test]
fn a_disk_that_is_too_full_is_emptied_to_the_lower_threshold() {
    let excess = |capacity, available| POLICY.excess(capacity, available);
    let too_full = |used_percent, bytes| {
        Some(Excess {
            used_percent,
            bytes,
        })
    };
    assert_eq!(excess(1000, 160), None);
    assert_eq!(excess(1000, 150), too_full(85, 50));
    assert_eq!(excess(1000, 0), too_full(100, 200));
    // A file system may say that more is left than it holds.
    assert_eq!(excess(1000, 2000), None);
}

#[test]
fn the_young_stay_and_the_old_go_once_the_kubelet_has_run_as_long() {
    let unused = |seen_first, used_last: Option<i64>| Unused {
        id: "a".to_owned(),
        seen_first: at(seen_first),
        used_last: used_last.map(at),
        bytes: 1,
    };
    assert!(!POLICY.may_go(&unused(0, None), at(119)));
    assert!(POLICY.may_go(&unused(0, None), at(120)));
    let rows = [
        (unused(0, Some(0)), 3600, false),
        (unused(0, Some(0)), 3601, true),
        (unused(0, Some(1)), 3601, false),
        (unused(3600, None), 3601, true),
    ];
    for (image, now, expected) in rows {
        assert_eq!(
            POLICY.is_too_old(&image, at(0), at(now)),
            expected,
            "{image:?}"
        );
    }
    let for_good = Policy {
        most_age: None,
        ..POLICY
    };
    assert!(!for_good.is_too_old(&unused(0, None), at(0), at(9999)));
}

#[test]
fn sizes_are_readable() {
    for (bytes, expected) in [
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (100 << 20, "100.0 MiB"),
        (3 << 40, "3.0 TiB"),
    ] {
        assert_eq!(readable(bytes), expected);
    }
}

/// A node whose images lie on the disk of this test, which is fuller than a policy allows.
struct Stage {
    runtime: FakeRuntime,
    events: Arc<EventLog>,
    collector: ImageCollector,
}

impl Stage {
    async fn new(policy: Policy) -> Self {
        let runtime = FakeRuntime::new();
        for image in ["used", "mounted", "a", "b"] {
            runtime.load(image);
        }
        let sandbox = SandboxConfig::default();
        let id = runtime.run_sandbox(sandbox.clone()).await.unwrap();
        let mount = crate::cri::Mount {
            container_path: "/m".to_owned(),
            host_path: String::new(),
            read_only: true,
            recursive_read_only: false,
            selinux_relabel: false,
            propagation: crate::cri::MountPropagation::Private,
            image: Some(crate::cri::ImageMount {
                image: ImageReference::as_written("mounted"),
                sub_path: String::new(),
            }),
        };
        let container = ContainerConfig {
            image: ImageReference::as_written("used"),
            labels: [(labels::POD_UID.to_owned(), "u".to_owned())].into(),
            mounts: vec![mount],
            ..ContainerConfig::default()
        };
        runtime
            .create_container(id, container, sandbox)
            .await
            .unwrap();
        runtime.uses(Used {
            filesystems: ImageFilesystems {
                images: vec![FilesystemUsage {
                    at: at(0),
                    mount_point: std::env::temp_dir().display().to_string(),
                    used_bytes: None,
                    inodes_used: None,
                }],
                ..ImageFilesystems::default()
            },
            ..Used::default()
        });
        let events = Arc::new(EventLog::new(Arc::new(runtime.clock())));
        let (collector, _) = ImageCollector::new(
            Arc::new(runtime.clone()),
            Arc::clone(&events) as _,
            Arc::new(runtime.clock()),
            ("node", policy),
            UpkeepMetrics::default(),
        );
        Self {
            runtime,
            events,
            collector,
        }
    }

    fn told(&self) -> Vec<String> {
        let all = self.events.all().into_iter();
        all.map(|one| format!("{} {}", one.event.pod.name, one.event.reason))
            .collect()
    }
}

/// Always too full, and never empty enough.
const GREEDY: Policy = Policy {
    high_percent: 0,
    low_percent: 0,
    least_age: Duration::ZERO,
    most_age: None,
};

#[tokio::test(start_paused = true)]
async fn of_a_disk_that_is_too_full_all_goes_that_nobody_uses_and_then_it_is_told() {
    let mut stage = Stage::new(GREEDY).await;
    let error = stage.collector.collect().await.unwrap_err();
    assert!(
        matches!(error, CollectError::NotEnough { freed: 2, .. }),
        "{error}"
    );
    assert_eq!(stage.runtime.images(), ["mounted", "used"]);
    assert_eq!(stage.told(), ["node FreeDiskSpaceFailed"]);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_does_not_go_keeps_none_of_the_others() {
    let mut stage = Stage::new(GREEDY).await;
    stage.runtime.fail_next("RemoveImage", "busy");
    let error = stage.collector.collect().await.unwrap_err();
    assert!(
        matches!(error, CollectError::Remove { count: 1, .. }),
        "{error}"
    );
    assert_eq!(stage.runtime.images(), ["a", "mounted", "used"]);
}

#[tokio::test(start_paused = true)]
async fn images_that_are_young_stay_on_a_full_disk() {
    let mut stage = Stage::new(Policy {
        least_age: Duration::from_secs(60),
        ..GREEDY
    })
    .await;
    stage.collector.collect().await.unwrap_err();
    assert_eq!(stage.runtime.images().len(), 4);
    tokio::time::advance(Duration::from_secs(61)).await;
    stage.collector.collect().await.unwrap_err();
    assert_eq!(stage.runtime.images(), ["mounted", "used"]);
}
