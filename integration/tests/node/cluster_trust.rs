//! What a cluster gives its pods to trust others, and to be trusted: bundles of authorities, and certificates
//! of their own. A real cluster has to have the gates of both open (docs/cluster.md).

use std::time::Duration;

use podling_integration::apiserver::{Validity, issued};
use podling_integration::harness::daemon::Start;
use podling_integration::harness::{Cluster, DEADLINE, Node, Options, wait_until};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PublicKeyData};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::cluster::{PODS, is_ready, main_of, path, placed};
use crate::{said, shell};

const BUNDLES: &str = "/apis/certificates.k8s.io/v1beta1/clustertrustbundles";
const REQUESTS: &str =
    "/apis/certificates.k8s.io/v1beta1/namespaces/default/podcertificaterequests";
const EVENTS: &str = "/api/v1/namespaces/default/events";

/// How a node starts whose feature gates are open for both.
fn open(cluster: &Cluster) -> Start {
    let mut start = cluster.joining();
    let gates =
        "ClusterTrustBundle=true,ClusterTrustBundleProjection=true,PodCertificateRequest=true";
    start.arguments.push(format!("--feature-gates={gates}"));
    start
}

async fn join(cluster: &Cluster) -> Node {
    Node::start_with(Options {
        start: open(cluster),
        ..Options::default()
    })
    .await
}

/// Authorities, each known by its place.
struct Authorities(Vec<rcgen::Certificate>);

impl Authorities {
    fn new(count: usize) -> Self {
        let authority = |_| {
            let key = KeyPair::generate().expect("a key can be made");
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.self_signed(&key).expect("it can be signed")
        };
        Self((0..count).map(authority).collect())
    }

    /// A bundle of some of them.
    fn bundle(&self, name: &str, signer: &str, version: &str, places: &[usize]) -> Value {
        let pem = |&place: &usize| format!("ignored\n{}", self.0[place].pem());
        let mut bundle = json!({
            "metadata": { "name": name, "labels": { "version": version } },
            "spec": { "trustBundle": places.iter().map(pem).collect::<String>() },
        });
        if !signer.is_empty() {
            bundle["spec"]["signerName"] = signer.into();
        }
        bundle
    }

    /// Which of them a file has, which has nothing else.
    fn places(&self, file: &str) -> Vec<usize> {
        assert!(!file.contains("ignored"), "{file}");
        let found = CertificateDer::pem_slice_iter(file.as_bytes()).map(|der| {
            let der = der.expect("it is a certificate");
            let mut all = self.0.iter();
            all.position(|one| *one.der() == der)
                .expect("it is one of them")
        });
        let mut found: Vec<_> = found.collect();
        found.sort_unstable();
        found
    }
}

/// A pod that sleeps, with one projected volume.
fn with_sources(image: &str, sources: Value) -> Value {
    let mut spec = shell(image, "sleep 100000 & wait");
    spec["volumes"] = json!([{ "name": "shown", "projected": { "sources": sources } }]);
    spec["containers"][0]["volumeMounts"] =
        json!([{ "name": "shown", "mountPath": "/shown", "readOnly": true }]);
    spec["terminationGracePeriodSeconds"] = 1.into();
    spec
}

fn tells(reason: &str, words: &str) -> impl Fn(&Value) -> bool {
    let (reason, words) = (reason.to_owned(), words.to_owned());
    move |list| {
        let mut events = list["items"].as_array().into_iter().flatten();
        events.any(|event| {
            let message = event["message"].as_str().unwrap_or_default();
            event["reason"] == reason.as_str() && message.contains(&words)
        })
    }
}

#[tokio::test]
async fn a_pod_is_shown_whom_to_trust_and_hears_of_changes() {
    let cluster = Cluster::start().await;
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let authorities = Authorities::new(5);
    for (name, version, places) in [
        ("example.com:mine:live", "live", &[0, 1][..]),
        ("example.com:mine:next", "live", &[0]),
        ("example.com:mine:old", "old", &[2]),
    ] {
        let bundle = authorities.bundle(name, "example.com/mine", version, places);
        cluster.create(BUNDLES, &bundle).await;
    }
    let live = json!({ "matchLabels": { "version": "live" } });
    let sources = json!([
        { "clusterTrustBundle": { "name": "own", "path": "own.pem" } },
        { "clusterTrustBundle": {
            "signerName": "example.com/mine", "labelSelector": live, "path": "mine.pem",
        }},
        { "clusterTrustBundle": { "name": "never", "optional": true, "path": "never.pem" } },
        { "clusterTrustBundle": {
            "signerName": "example.com/mine", "optional": true, "path": "none.pem",
        }},
    ]);
    cluster
        .create(PODS, &placed("web", with_sources(&image, sources)))
        .await;
    let waits = tells(
        "FailedMount",
        "clustertrustbundle.certificates.k8s.io \"own\" not found",
    );
    cluster.wait(EVENTS, "tell what is missing", waits).await;
    cluster
        .create(BUNDLES, &authorities.bundle("own", "", "own", &[3]))
        .await;
    cluster.wait(&path("web"), "is ready", is_ready).await;
    let shown =
        |file: &str| authorities.places(&said(&node, "web", "main", &format!("cat /shown/{file}")));
    assert_eq!(shown("own.pem"), [3]);
    assert_eq!(shown("mine.pem"), [0, 1], "each once");
    assert_eq!(shown("never.pem"), [0; 0]);
    assert_eq!(shown("none.pem"), [0; 0], "no selector selects nothing");

    let added = authorities.bundle("example.com:mine:new", "example.com/mine", "live", &[4]);
    cluster.create(BUNDLES, &added).await;
    let follows = || shown("mine.pem") == [0, 1, 4];
    wait_until(DEADLINE, "a new bundle is shown", follows).await;
    cluster
        .delete(&format!("{BUNDLES}/example.com:mine:live"), None)
        .await;
    let follows = || shown("mine.pem") == [0, 4];
    wait_until(DEADLINE, "one that is gone is not", follows).await;
    cluster.delete(&path("web"), Some(1)).await;
    cluster.wait_gone(&path("web")).await;
    node.stop().await;
}

/// The requests of a pod that wait.
fn waiting(list: &Value, pod: &str) -> Vec<Value> {
    let all = list["items"].as_array().into_iter().flatten();
    let waiting =
        all.filter(|one| one["spec"]["podName"] == pod && one["status"]["conditions"].is_null());
    waiting.cloned().collect()
}

/// The next request of a pod that waits.
async fn asked(cluster: &Cluster, pod: &str) -> Value {
    let asks = |list: &Value| !waiting(list, pod).is_empty();
    let list = cluster.wait(REQUESTS, "have one that waits", asks).await;
    waiting(&list, pod).remove(0)
}

fn status_of(request: &Value) -> String {
    let name = request["metadata"]["name"].as_str().unwrap_or_default();
    format!("{REQUESTS}/{name}/status")
}

/// A pod that has a certificate of its own mounted.
fn certified(image: &str) -> Value {
    let sources = json!([{ "podCertificate": {
        "signerName": "example.com/mine", "keyType": "ECDSAP256", "maxExpirationSeconds": 3600,
        "userAnnotations": { "example.com/for": "tests" },
        "credentialBundlePath": "all.pem", "keyPath": "key.pem", "certificateChainPath": "chain.pem",
    }}]);
    with_sources(image, sources)
}

/// What a file of the pod `web` has.
fn shown(node: &Node, file: &str) -> String {
    said(node, "web", "main", &format!("cat /shown/{file}"))
}

/// Whether the key is that of the first certificate, which a second one follows.
fn fits(node: &Node) -> bool {
    let key = KeyPair::from_pem(&shown(node, "key.pem")).expect("it is a key");
    let chain = shown(node, "chain.pem");
    let all = CertificateDer::pem_slice_iter(chain.as_bytes());
    let all: Vec<_> = all.filter_map(Result::ok).collect();
    let public = key.subject_public_key_info();
    let leaf = all.first().expect("there is one");
    all.len() == 2 && leaf.windows(public.len()).any(|part| part == public)
}

/// Answers the next request of a pod, and tells what was asked.
async fn answer(cluster: &Cluster, pod: &str, how: impl Fn(&Value) -> Value) -> Value {
    let request = asked(cluster, pod).await;
    cluster.merge(&status_of(&request), &how(&request)).await;
    request
}

fn denied(_: &Value) -> Value {
    json!({ "status": { "conditions": [{
        "type": "Denied", "status": "True", "reason": "No", "message": "not you",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]}})
}

/// Waits until the pod is shown another key than this one.
async fn is_shown_another(node: &Node, key: &str) {
    let is_new = || shown(node, "key.pem") != key;
    wait_until(DEADLINE, "the files are those of the next", is_new).await;
    assert!(fits(node));
}

async fn end(cluster: &Cluster, node: Node, pods: &[&str]) {
    for name in pods {
        cluster.delete(&path(name), Some(1)).await;
        cluster.wait_gone(&path(name)).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_pod_has_a_certificate_of_its_own_and_the_next_kubelet_asks_for_another() {
    let cluster = Cluster::start().await;
    let mut node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let mut spec = certified(&image);
    spec["securityContext"] = json!({ "runAsUser": 1234 });
    let web = cluster.create(PODS, &placed("web", spec)).await;
    let waits = tells("FailedMount", "credential bundle is not issued yet");
    cluster.wait(EVENTS, "tell that it waits", waits).await;
    // The shortest that a real cluster takes.
    let hour = |request: &Value| issued(request, Validity::minutes(10, 60));
    let first = answer(&cluster, "web", hour).await;
    assert_eq!(first["spec"]["podUID"], web["metadata"]["uid"]);
    assert_eq!(first["spec"]["maxExpirationSeconds"], 3600);
    assert_eq!(
        first["spec"]["unverifiedUserAnnotations"],
        json!({ "example.com/for": "tests" })
    );
    let web = cluster.wait(&path("web"), "is ready", is_ready).await;
    assert!(fits(&node));
    let key = shown(&node, "key.pem");
    assert_eq!(
        shown(&node, "all.pem"),
        format!("{key}{}", shown(&node, "chain.pem"))
    );
    let script = "stat -Lc '%u %a' /shown/key.pem; stat -fc %T /shown";
    assert_eq!(said(&node, "web", "main", script), "1234 600\ntmpfs\n");

    node.kill9();
    node.restart_with(&open(&cluster)).await;
    answer(&cluster, "web", hour).await;
    is_shown_another(&node, &key).await;
    let after = cluster.get(&path("web")).await.expect("it is there");
    assert_eq!(main_of(&web), main_of(&after));
    end(&cluster, node, &["web"]).await;
}

#[tokio::test]
async fn a_pod_whose_certificate_is_denied_does_not_start_and_is_told_why() {
    let cluster = Cluster::start().await;
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let late = placed("late", certified(&image));
    cluster.create(PODS, &late).await;
    answer(&cluster, "late", denied).await;
    let words = "was permanently denied: reason=\"No\" message=\"not you\"";
    cluster
        .wait(EVENTS, "tell why not", tells("FailedMount", words))
        .await;
    end(&cluster, node, &["late"]).await;
}

// A real cluster lets no certificate be renewed as soon.
#[tokio::test]
async fn a_certificate_of_a_pod_is_renewed_or_what_is_there_stays() {
    let cluster = Cluster::breakable();
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    cluster
        .create(PODS, &placed("web", certified(&image)))
        .await;
    let soon = |request: &Value| {
        let (soon, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        issued(
            request,
            Validity {
                renewed_after: soon,
                lifetime: minute,
            },
        )
    };
    answer(&cluster, "web", soon).await;
    cluster.wait(&path("web"), "is ready", is_ready).await;
    let key = shown(&node, "key.pem");

    // The next one is asked for when the signer has said, with another key.
    answer(&cluster, "web", soon).await;
    is_shown_another(&node, &key).await;

    // One that is denied leaves what is there, and is told.
    let key = shown(&node, "key.pem");
    answer(&cluster, "web", denied).await;
    let words = "was denied, reason=\"No\", message=\"not you\"";
    cluster
        .wait(EVENTS, "tell of the denial", tells("Denied", words))
        .await;
    assert_eq!(shown(&node, "key.pem"), key);
    let web = cluster.get(&path("web")).await.expect("it is there");
    assert!(is_ready(&web), "{web:#}");
    assert_eq!(main_of(&web).1, 0);
    end(&cluster, node, &["web"]).await;
}
