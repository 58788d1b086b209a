//! From what all manifests say to what changes.
//!
//! A manifest that cannot be read or understood changes nothing: its pods stay as it said last, until
//! it can be understood again or is gone. Of two pods of one name, or two objects of one kind and
//! name, the first manifest's wins; files come before pages.
#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::model::{Object, ObjectKey, Overhead, Pod, PodChange, PodName, PodOrigin, PodSource};

use super::Manifest;
use super::convert::read_overhead;

/// What one manifest says now.
#[derive(Clone, Debug, PartialEq)]
pub enum Scan {
    /// These pods and objects.
    Read(Contents),
    /// Nothing that can be understood.
    Broken,
    /// The same as the last time.
    Unchanged,
}

/// What one manifest describes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// Pods.
    pub pods: Vec<Arc<Pod>>,
    /// Objects that pods refer to.
    pub objects: Vec<(ObjectKey, Object)>,
}

impl From<Manifest> for Contents {
    fn from(manifest: Manifest) -> Self {
        let Manifest { pods, objects } = manifest;
        let objects = objects.into_iter().map(|one| (one.key, one.object));
        Self {
            pods: pods.into_iter().map(|one| one.pod).collect(),
            objects: objects.collect(),
        }
    }
}

/// What is desired, and by which manifest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    manifests: BTreeMap<PodOrigin, Contents>,
    pods: BTreeMap<PodName, Arc<Pod>>,
    objects: BTreeMap<ObjectKey, Object>,
}

impl Desired {
    /// Every pod that counts.
    pub fn pods(&self) -> &BTreeMap<PodName, Arc<Pod>> {
        &self.pods
    }

    /// The objects of all manifests.
    pub fn objects(&self) -> &BTreeMap<ObjectKey, Object> {
        &self.objects
    }
}

/// What came of a merge.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// What is desired now.
    pub desired: Desired,
    /// What has to be told: removals first.
    pub changes: Vec<PodChange>,
    /// Objects that came, changed or went.
    pub changed_objects: BTreeSet<ObjectKey>,
    /// Pods and objects that are passed over.
    pub duplicates: Vec<Duplicate>,
}

/// Something that is passed over because another manifest has one of its name.
#[derive(Clone, Debug, PartialEq)]
pub enum Duplicate {
    /// A pod.
    Pod {
        /// The pod that is passed over.
        pod: Arc<Pod>,
        /// Where the one that counts stands.
        first: PodOrigin,
    },
    /// An object.
    Object {
        /// What it is and its name.
        key: ObjectKey,
        /// The manifest that is passed over.
        origin: PodOrigin,
        /// The manifest that counts.
        first: PodOrigin,
    },
}

/// Merges what all manifests of one source say into what was desired before; those of the others
/// stay as they are.
pub fn merge(before: &Desired, source: PodSource, scan: BTreeMap<PodOrigin, Scan>) -> Merged {
    let others = before.manifests.iter();
    let others = others.filter(|(origin, _)| origin.source() != source);
    let mut manifests: BTreeMap<_, _> = others
        .map(|(origin, contents)| (origin.clone(), contents.clone()))
        .collect();
    manifests.extend(scan.into_iter().map(|(origin, said)| {
        let last = || before.manifests.get(&origin).cloned().unwrap_or_default();
        let contents = match said {
            Scan::Read(contents) => contents,
            Scan::Broken | Scan::Unchanged => last(),
        };
        (origin, contents)
    }));
    let mut duplicates = Vec::new();
    let objects = objects(&manifests, &mut duplicates);
    let pods = pods(before, (&manifests, &objects), &mut duplicates);
    let changes = changes(&before.pods, &pods);
    let changed_objects = changed_objects(&before.objects, &objects);
    Merged {
        desired: Desired {
            manifests,
            pods,
            objects,
        },
        changes,
        changed_objects,
        duplicates,
    }
}

fn pods(
    before: &Desired,
    (manifests, objects): (&BTreeMap<PodOrigin, Contents>, &BTreeMap<ObjectKey, Object>),
    duplicates: &mut Vec<Duplicate>,
) -> BTreeMap<PodName, Arc<Pod>> {
    let mut pods: BTreeMap<PodName, Arc<Pod>> = BTreeMap::new();
    for pod in manifests.values().flat_map(|one| &one.pods) {
        if let Some(first) = pods.get(&pod.name) {
            duplicates.push(Duplicate::Pod {
                pod: pod.clone(),
                first: first.origin.clone(),
            });
        } else {
            let pod = with_overhead(pod, objects);
            pods.insert(pod.name.clone(), kept(before, &pod));
        }
    }
    pods
}

/// A static pod takes what its RuntimeClass says, unless it says so itself; of those of a cluster the
/// API server has written it down.
fn with_overhead(pod: &Arc<Pod>, objects: &BTreeMap<ObjectKey, Object>) -> Arc<Pod> {
    let says_itself = pod.spec.overhead != Overhead::default();
    let class = pod.runtime_class().and_then(|key| objects.get(&key));
    let Some(Object::RuntimeClass(class)) = class else {
        return Arc::clone(pod);
    };
    if pod.origin == PodOrigin::Api || says_itself || class.overhead.is_empty() {
        return Arc::clone(pod);
    }
    let mut pod = Pod::clone(pod);
    let written = class.overhead.iter();
    let written = written.map(|(name, amount)| (name.clone(), Quantity(amount.clone())));
    let written = written.collect();
    pod.spec.overhead = read_overhead(&written);
    let manifest = Arc::make_mut(&mut pod.manifest);
    manifest.spec.get_or_insert_default().overhead = Some(written);
    Arc::new(pod)
}

fn objects(
    manifests: &BTreeMap<PodOrigin, Contents>,
    duplicates: &mut Vec<Duplicate>,
) -> BTreeMap<ObjectKey, Object> {
    let mut objects: BTreeMap<ObjectKey, (&PodOrigin, &Object)> = BTreeMap::new();
    for (origin, contents) in manifests {
        for (key, object) in &contents.objects {
            if let Some((first, _)) = objects.get(key) {
                duplicates.push(Duplicate::Object {
                    key: key.clone(),
                    origin: origin.clone(),
                    first: (*first).clone(),
                });
            } else {
                objects.insert(key.clone(), (origin, object));
            }
        }
    }
    let objects = objects.into_iter();
    objects
        .map(|(key, (_, object))| (key, object.clone()))
        .collect()
}

fn changed_objects(
    before: &BTreeMap<ObjectKey, Object>,
    now: &BTreeMap<ObjectKey, Object>,
) -> BTreeSet<ObjectKey> {
    let keys = before.keys().chain(now.keys());
    keys.filter(|key| before.get(key) != now.get(key))
        .cloned()
        .collect()
}

/// A pod that says what it said before is the one from before: it was seen then.
fn kept(before: &Desired, pod: &Arc<Pod>) -> Arc<Pod> {
    let same = before
        .pods
        .get(&pod.name)
        .filter(|old| difference(old, pod) == Difference::None);
    same.unwrap_or(pod).clone()
}

fn changes(
    before: &BTreeMap<PodName, Arc<Pod>>,
    now: &BTreeMap<PodName, Arc<Pod>>,
) -> Vec<PodChange> {
    let is_kept = |old: &Arc<Pod>| now.get(&old.name).is_some_and(|new| new.uid == old.uid);
    let gone = before.values().filter(|old| !is_kept(old));
    let removals = gone.map(|old| PodChange::Remove {
        uid: old.uid.clone(),
        name: old.name.clone(),
    });
    let others = now.values().filter_map(|new| {
        let old = before.get(&new.name).filter(|old| old.uid == new.uid);
        match old.map(|old| difference(old, new)) {
            None => Some(PodChange::Add(new.clone())),
            Some(Difference::Pod) => Some(PodChange::Update(new.clone())),
            Some(Difference::Status) => Some(PodChange::Reconcile(new.clone())),
            Some(Difference::None) => None,
        }
    });
    removals.chain(others).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    None,
    Status,
    Pod,
}

/// In what two versions of a pod differ, when they were seen aside.
fn difference(old: &Pod, new: &Pod) -> Difference {
    let annotations = |pod: &Pod| {
        let seen = "kubernetes.io/config.seen";
        pod.annotations
            .clone()
            .into_iter()
            .filter(|(key, _)| key != seen)
            .collect::<Vec<_>>()
    };
    let is_same = old.uid == new.uid
        && old.origin == new.origin
        && old.leaves_within == new.leaves_within
        && old.labels == new.labels
        && annotations(old) == annotations(new)
        && old.manifest.spec == new.manifest.spec
        && old.spec == new.spec;
    match (is_same, old.manifest.status == new.manifest.status) {
        (false, _) => Difference::Pod,
        (true, false) => Difference::Status,
        (true, true) => Difference::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConfigMap, ObjectKind, RestartPolicy};
    use crate::plan::fixture;

    fn pod(file: &str, uid: &str, name: &str) -> Arc<Pod> {
        let pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
        Arc::new(Pod {
            uid: uid.into(),
            name: PodName::new("default", name),
            origin: PodOrigin::File(file.into()),
            ..pod
        })
    }

    fn scan(files: &[(&str, Scan)]) -> BTreeMap<PodOrigin, Scan> {
        files
            .iter()
            .map(|(path, said)| (PodOrigin::File(path.into()), said.clone()))
            .collect()
    }

    /// What the directory says.
    fn merge(before: &Desired, scan: BTreeMap<PodOrigin, Scan>) -> Merged {
        super::merge(before, PodSource::File, scan)
    }

    /// What the page says.
    fn merge_page(before: &Desired, said: Scan) -> Merged {
        let page = PodOrigin::Url("http://host/pods".to_owned());
        super::merge(before, PodSource::Http, BTreeMap::from([(page, said)]))
    }

    fn read(pods: Vec<Arc<Pod>>) -> Scan {
        let objects = Vec::new();
        Scan::Read(Contents { pods, objects })
    }

    fn one(file: &str, uid: &str, name: &str) -> Scan {
        read(vec![pod(file, uid, name)])
    }

    fn sentences(changes: &[PodChange]) -> Vec<String> {
        let sentence = |change: &PodChange| match change {
            PodChange::Add(pod) => format!("add {}", pod.uid),
            PodChange::Update(pod) => format!("update {}", pod.uid),
            PodChange::Reconcile(pod) => format!("reconcile {}", pod.uid),
            PodChange::Remove { uid, .. } => format!("remove {uid}"),
        };
        changes.iter().map(sentence).collect()
    }

    #[test]
    fn files_come_change_and_go() {
        let steps = [
            (
                "two files",
                scan(&[("a", one("a", "u1", "x")), ("b", one("b", "u2", "y"))]),
                vec!["add u1", "add u2"],
            ),
            (
                "nothing new",
                scan(&[("a", Scan::Unchanged), ("b", one("b", "u2", "y"))]),
                vec![],
            ),
            (
                "an edit gives a new pod",
                scan(&[("a", one("a", "u3", "x")), ("b", Scan::Unchanged)]),
                vec!["remove u1", "add u3"],
            ),
            (
                "a broken file changes nothing",
                scan(&[("a", Scan::Broken), ("b", Scan::Unchanged)]),
                vec![],
            ),
            (
                "a deleted file takes its pod along",
                scan(&[("b", Scan::Unchanged)]),
                vec!["remove u3"],
            ),
            (
                "a file that was never good is nothing",
                scan(&[("b", Scan::Unchanged), ("c", Scan::Broken)]),
                vec![],
            ),
            (
                "an empty file takes its pod along",
                scan(&[("b", read(vec![]))]),
                vec!["remove u2"],
            ),
        ];
        let mut desired = Desired::default();
        for (what, scan, expected) in steps {
            let merged = merge(&desired, scan);
            assert_eq!(sentences(&merged.changes), expected, "{what}");
            desired = merged.desired;
        }
    }

    #[test]
    fn of_two_pods_of_one_name_the_first_file_wins_until_it_goes() {
        let both = scan(&[("b", one("b", "u2", "x")), ("a", one("a", "u1", "x"))]);
        let merged = merge(&Desired::default(), both);
        assert_eq!(sentences(&merged.changes), ["add u1"]);
        let passed_over = Duplicate::Pod {
            pod: pod("b", "u2", "x"),
            first: PodOrigin::File("a".into()),
        };
        assert_eq!(merged.duplicates, [passed_over]);
        let merged = merge(&merged.desired, scan(&[("b", Scan::Unchanged)]));
        assert_eq!(sentences(&merged.changes), ["remove u1", "add u2"]);
    }

    #[test]
    fn what_one_source_says_changes_nothing_of_another() {
        let merged = merge(&Desired::default(), scan(&[("a", one("a", "u1", "x"))]));
        let page = merge_page(&merged.desired, one("page", "u2", "y"));
        assert_eq!(sentences(&page.changes), ["add u2"]);
        let gone = merge(&page.desired, scan(&[]));
        assert_eq!(sentences(&gone.changes), ["remove u1"]);
        let empty = merge_page(&gone.desired, read(vec![]));
        assert_eq!(sentences(&empty.changes), ["remove u2"]);
    }

    #[test]
    fn a_file_goes_before_a_page() {
        let page = merge_page(&Desired::default(), one("page", "u2", "x"));
        let merged = merge(&page.desired, scan(&[("a", one("a", "u1", "x"))]));
        assert_eq!(sentences(&merged.changes), ["remove u2", "add u1"]);
        assert_eq!(merged.duplicates.len(), 1);
        let gone = merge(&merged.desired, scan(&[]));
        assert_eq!(sentences(&gone.changes), ["remove u1", "add u2"]);
    }

    #[test]
    fn a_pod_with_a_uid_of_its_own_is_updated() {
        let merged = merge(&Desired::default(), scan(&[("a", one("a", "u1", "x"))]));
        let mut changed = (*pod("a", "u1", "x")).clone();
        changed
            .labels
            .insert("colour".to_owned(), "blue".to_owned());
        let again = merge(
            &merged.desired,
            scan(&[("a", read(vec![Arc::new(changed)]))]),
        );
        assert_eq!(sentences(&again.changes), ["update u1"]);
    }

    #[test]
    fn a_pod_of_which_only_the_status_changed_is_reconciled() {
        let merged = merge(&Desired::default(), scan(&[("a", one("a", "u1", "x"))]));
        let mut changed = (*pod("a", "u1", "x")).clone();
        let status = k8s_openapi::api::core::v1::PodStatus::default();
        Arc::make_mut(&mut changed.manifest).status = Some(status);
        let again = merge(
            &merged.desired,
            scan(&[("a", read(vec![Arc::new(changed)]))]),
        );
        assert_eq!(sentences(&again.changes), ["reconcile u1"]);
    }

    #[test]
    fn a_static_pod_takes_what_its_class_takes_beside_its_containers() {
        let overhead = [("cpu", "250m"), ("memory", "64Mi")];
        let overhead = overhead.map(|(name, amount)| (name.to_owned(), amount.to_owned()));
        let class = crate::model::RuntimeClass {
            handler: "heavy".to_owned(),
            overhead: overhead.into(),
        };
        let mut web = (*pod("a", "u1", "x")).clone();
        web.spec.runtime_class = Some("heavy".to_owned());
        let said = |class: &crate::model::RuntimeClass| {
            let key = ObjectKey::new(ObjectKind::RuntimeClass, "", "heavy");
            Scan::Read(Contents {
                pods: vec![Arc::new(web.clone())],
                objects: vec![(key, Object::RuntimeClass(Arc::new(class.clone())))],
            })
        };
        let merged = merge(&Desired::default(), scan(&[("a", said(&class))]));
        let seen = merged.desired.pods().values().next().unwrap();
        assert_eq!(seen.spec.overhead.cpu_millis, 250);
        assert_eq!(seen.spec.overhead.memory_bytes, 64 << 20);
        let shown = seen.manifest.spec.as_ref().unwrap().overhead.as_ref();
        assert_eq!(shown.unwrap()["cpu"].0, "250m");
        let again = merge(&merged.desired, scan(&[("a", said(&class))]));
        assert_eq!(sentences(&again.changes), Vec::<String>::new());
    }

    fn map(colour: &str) -> Scan {
        let data = BTreeMap::from([("colour".to_owned(), colour.to_owned())]);
        let map = ConfigMap {
            data,
            ..ConfigMap::default()
        };
        Scan::Read(Contents {
            pods: Vec::new(),
            objects: vec![(map_key(), Object::ConfigMap(Arc::new(map)))],
        })
    }

    fn map_key() -> ObjectKey {
        ObjectKey::new(ObjectKind::ConfigMap, "default", "web")
    }

    #[test]
    fn objects_come_change_and_go_and_a_broken_file_keeps_them() {
        let steps = [
            ("it comes", scan(&[("a", map("blue"))]), true),
            ("nothing new", scan(&[("a", map("blue"))]), false),
            ("it changes", scan(&[("a", map("red"))]), true),
            ("a broken file", scan(&[("a", Scan::Broken)]), false),
            ("it moves", scan(&[("b", map("red"))]), false),
            ("it goes", scan(&[]), true),
        ];
        let mut desired = Desired::default();
        for (what, scan, is_change) in steps {
            let merged = merge(&desired, scan);
            assert_eq!(
                merged.changed_objects.contains(&map_key()),
                is_change,
                "{what}"
            );
            desired = merged.desired;
        }
        assert!(desired.objects().is_empty());
    }

    #[test]
    fn of_two_objects_of_one_name_the_first_file_wins() {
        let both = scan(&[("b", map("red")), ("a", map("blue"))]);
        let merged = merge(&Desired::default(), both);
        let Object::ConfigMap(counts) = &merged.desired.objects()[&map_key()] else {
            panic!("it is a ConfigMap");
        };
        assert_eq!(counts.data["colour"], "blue");
        let passed_over = Duplicate::Object {
            key: map_key(),
            origin: PodOrigin::File("b".into()),
            first: PodOrigin::File("a".into()),
        };
        assert_eq!(merged.duplicates, [passed_over]);
    }
}
