//! What makes a manifest's pod a pod of this node: its name, UID, annotations and tolerations.
#![deny(clippy::disallowed_methods)]

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;

use crate::model::PodOrigin;

use super::static_uid;

const SOURCE: &str = "kubernetes.io/config.source";
const SEEN: &str = "kubernetes.io/config.seen";
const HASH: &str = "kubernetes.io/config.hash";

/// What of the node goes into its static pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeIdentity {
    /// The node's name.
    pub node_name: String,
}

/// Makes a defaulted manifest a static pod of this node.
pub fn identify(pod: &mut core::Pod, node: &NodeIdentity, origin: &PodOrigin, seen: Timestamp) {
    let uid = match pod.metadata.uid.take().filter(|uid| !uid.is_empty()) {
        Some(uid) => uid,
        None => static_uid(pod, &node.node_name, origin).to_string(),
    };
    let metadata = &mut pod.metadata;
    if let Some(name) = metadata.name.as_mut().filter(|name| !name.is_empty()) {
        *name = format!("{name}-{}", node.node_name.to_lowercase());
    }
    if metadata.namespace.as_deref().unwrap_or_default().is_empty() {
        metadata.namespace = Some("default".to_owned());
    }
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(SOURCE.to_owned(), origin.source().as_str().to_owned());
    annotations.insert(SEEN.to_owned(), seen.to_string());
    annotations.insert(HASH.to_owned(), uid.clone());
    metadata.uid = Some(uid);
    let spec = pod.spec.get_or_insert_default();
    spec.node_name = Some(node.node_name.clone());
    match origin {
        PodOrigin::File(_) => stay_on_the_node(spec.tolerations.get_or_insert_default()),
        PodOrigin::Url(_) | PodOrigin::Api => {}
    }
}

/// Nothing that happens to the node evicts a pod of a file, whatever its manifest says.
fn stay_on_the_node(tolerations: &mut Vec<core::Toleration>) {
    let always = core::Toleration {
        operator: Some("Exists".to_owned()),
        effect: Some("NoExecute".to_owned()),
        ..core::Toleration::default()
    };
    let is_for_a_while = |one: &&mut core::Toleration| {
        let one = core::Toleration {
            toleration_seconds: None,
            ..(**one).clone()
        };
        one == always
    };
    match tolerations.iter_mut().find(is_for_a_while) {
        Some(one) => *one = always,
        None => tolerations.push(always),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::set_defaults;

    fn identified(text: &str, node: &str, second: i64) -> core::Pod {
        let mut pod = serde_json::from_str(text).unwrap();
        set_defaults(&mut pod);
        let node = NodeIdentity {
            node_name: node.to_owned(),
        };
        let seen = Timestamp::from_second(second).unwrap();
        let origin = PodOrigin::File("/m/web.yaml".into());
        identify(&mut pod, &node, &origin, seen);
        pod
    }

    #[test]
    fn a_pod_of_a_page_says_so_and_tolerates_what_it_says() {
        let mut pod = serde_json::from_str(r#"{"metadata": {"name": "web"}}"#).unwrap();
        set_defaults(&mut pod);
        let node = NodeIdentity {
            node_name: "n".to_owned(),
        };
        let origin = PodOrigin::Url("http://host/pods".to_owned());
        identify(&mut pod, &node, &origin, Timestamp::UNIX_EPOCH);
        assert_eq!(pod.metadata.annotations.unwrap()[SOURCE], "http");
        assert_eq!(pod.spec.unwrap().tolerations, None);
    }

    #[test]
    fn a_static_pod_carries_its_node_and_its_source() {
        let pod = identified(r#"{"metadata": {"name": "web"}}"#, "Node-1", 0);
        assert_eq!(pod.metadata.name.as_deref(), Some("web-node-1"));
        assert_eq!(pod.metadata.namespace.as_deref(), Some("default"));
        let annotations = pod.metadata.annotations.unwrap();
        assert_eq!(annotations[SOURCE], "file");
        assert_eq!(annotations[SEEN], "1970-01-01T00:00:00Z");
        assert_eq!(Some(&annotations[HASH]), pod.metadata.uid.as_ref());
        let spec = pod.spec.unwrap();
        assert_eq!(spec.node_name.as_deref(), Some("Node-1"));
        assert_eq!(
            spec.tolerations.unwrap()[0].effect.as_deref(),
            Some("NoExecute")
        );
    }

    #[test]
    fn a_static_pod_tolerates_everything_for_ever_and_says_so_once() {
        let pod = identified(
            r#"{"metadata": {"name": "web"}, "spec": {"containers": [], "tolerations":
                [{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}]}}"#,
            "n",
            0,
        );
        let tolerations = pod.spec.unwrap().tolerations.unwrap();
        assert_eq!(tolerations.len(), 1);
        assert_eq!(tolerations[0].toleration_seconds, None);
    }

    #[test]
    fn the_uid_is_the_same_whenever_the_file_is_read() {
        let text = r#"{"metadata": {"name": "web"}}"#;
        let uid = |node, second| identified(text, node, second).metadata.uid.unwrap();
        assert_eq!(uid("n", 1), uid("n", 2));
        assert_ne!(uid("n", 1), uid("m", 1));
    }

    #[test]
    fn a_uid_in_the_manifest_stays() {
        let pod = identified(r#"{"metadata": {"name": "web", "uid": "mine"}}"#, "n", 0);
        assert_eq!(pod.metadata.uid.as_deref(), Some("mine"));
    }
}
