//! Whole manifests against the UIDs that Kubernetes 1.36.2 gives them.

use std::collections::BTreeMap;

use super::*;
use crate::source::{Written, decode, set_defaults};

macro_rules! manifests {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../testdata/static-pods/", $name)))),*]
    };
}

const MANIFESTS: [(&str, &str); 10] = manifests![
    "containers.yaml",
    "minimal.yaml",
    "quantities.yaml",
    "scheduling.yaml",
    "security.yaml",
    "status.yaml",
    "text.yaml",
    "times.yaml",
    "volumes.yaml",
    "written-out.json",
];

/// `FILE UID`, for the node `Node-1` and the directory `/etc/kubernetes/manifests`.
const UIDS: &str = include_str!("../../../testdata/static-pods/uids.txt");

#[test]
fn a_manifest_has_the_uid_that_other_kubelets_give_it() {
    let known = UIDS.lines().filter_map(|line| line.split_once(' '));
    let known: BTreeMap<_, _> = known.collect();
    for (file, text) in MANIFESTS {
        let Written::Pod(mut pod) = decode(text).expect("a manifest").remove(0).written else {
            panic!("{file} is a pod");
        };
        set_defaults(&mut pod);
        let origin = PodOrigin::File(format!("/etc/kubernetes/manifests/{file}").into());
        let uid = static_uid(&pod, "Node-1", &origin);
        assert_eq!(uid.as_str(), known[file], "{file}: {}", printed(&pod));
    }
}

#[test]
fn a_uid_depends_on_the_pod_the_node_and_the_file() {
    let pod = core::Pod::default();
    let file = |path: &str| PodOrigin::File(path.into());
    let uid = static_uid(&pod, "node", &file("/m/a.yaml"));
    assert_eq!(uid.as_str().len(), 32);
    assert_eq!(uid, static_uid(&pod, "node", &file("/m/a.yaml")));
    assert_ne!(uid, static_uid(&pod, "other", &file("/m/a.yaml")));
    assert_ne!(uid, static_uid(&pod, "node", &file("/m/b.yaml")));
    let mut named = pod;
    named.metadata.name = Some("web".to_owned());
    assert_ne!(uid, static_uid(&named, "node", &file("/m/a.yaml")));
}

#[test]
fn a_pod_of_a_page_has_one_uid_on_every_node() {
    let pod = core::Pod::default();
    let page = |url: &str| PodOrigin::Url(url.to_owned());
    let uid = static_uid(&pod, "node", &page("http://a/pods"));
    assert_eq!(uid, static_uid(&pod, "other", &page("http://a/pods")));
    assert_ne!(uid, static_uid(&pod, "node", &page("http://b/pods")));
}
