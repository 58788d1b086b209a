//! What a cluster gives its pods to trust others, and to be trusted: bundles of authorities, and certificates
//! of their own.

use std::time::Duration;

use podling_integration::harness::{Cluster, DEADLINE, Node, Options, Pod, wait_until};
use rcgen::{KeyPair, PublicKeyData};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::cluster::{PODS, is_ready, path, placed};
use crate::{said, shell};

const BUNDLES: &str = "/apis/certificates.k8s.io/v1beta1/clustertrustbundles";
const REQUESTS: &str =
    "/apis/certificates.k8s.io/v1beta1/namespaces/default/podcertificaterequests";
const EVENTS: &str = "/api/v1/namespaces/default/events";

/// A node whose feature gates are open for both.
async fn join(cluster: &Cluster) -> Node {
    let mut start = cluster.joining();
    let gates =
        "ClusterTrustBundle=true,ClusterTrustBundleProjection=true,PodCertificateRequest=true";
    start.arguments.push(format!("--feature-gates={gates}"));
    Node::start_with(Options {
        start,
        ..Options::default()
    })
    .await
}

/// A bundle of authorities, each of which is no more than a word.
fn bundle(name: &str, signer: &str, version: &str, words: &[&str]) -> Value {
    let pem = |word: &&str| {
        format!("ignored\n-----BEGIN CERTIFICATE-----\n{word}\n-----END CERTIFICATE-----\n")
    };
    let mut bundle = json!({
        "metadata": { "name": name, "labels": { "version": version } },
        "spec": { "trustBundle": words.iter().map(pem).collect::<String>() },
    });
    if !signer.is_empty() {
        bundle["spec"]["signerName"] = signer.into();
    }
    bundle
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
    let cluster = Cluster::breakable();
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    for (name, version, words) in [
        ("example.com:mine:live", "live", &["AAEC", "AAED"][..]),
        ("example.com:mine:next", "live", &["AAEC"]),
        ("example.com:mine:old", "old", &["AAEE"]),
    ] {
        let bundle = bundle(name, "example.com/mine", version, words);
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
        .create(BUNDLES, &bundle("own", "", "", &["AAEF"]))
        .await;
    cluster.wait(&path("web"), "is ready", is_ready).await;
    let shown = |file: &str| {
        let text = said(&node, "web", "main", &format!("cat /shown/{file}"));
        let words = text.lines().filter(|line| !line.starts_with("-----"));
        let mut words: Vec<_> = words.map(str::to_owned).collect();
        words.sort();
        words
    };
    assert_eq!(shown("own.pem"), ["AAEF"]);
    assert_eq!(shown("mine.pem"), ["AAEC", "AAED"], "each once");
    assert_eq!(shown("never.pem"), [""; 0]);
    assert_eq!(shown("none.pem"), [""; 0], "no selector selects nothing");

    let added = bundle(
        "example.com:mine:new",
        "example.com/mine",
        "live",
        &["AAEG"],
    );
    cluster.create(BUNDLES, &added).await;
    let follows = || shown("mine.pem") == ["AAEC", "AAED", "AAEG"];
    wait_until(DEADLINE, "a new bundle is shown", follows).await;
    cluster
        .delete(&format!("{BUNDLES}/example.com:mine:live"), None)
        .await;
    let follows = || shown("mine.pem") == ["AAEC", "AAEG"];
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

#[tokio::test]
async fn a_pod_has_a_certificate_of_its_own_that_is_renewed_or_refused() {
    let mut cluster = Cluster::breakable();
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let sources = |key: &str| {
        json!([{ "podCertificate": {
            "signerName": "example.com/mine", "keyType": key, "maxExpirationSeconds": 3600,
            "userAnnotations": { "example.com/for": "tests" },
            "credentialBundlePath": "all.pem", "keyPath": "key.pem", "certificateChainPath": "chain.pem",
        }}])
    };
    let mut spec = with_sources(&image, sources("ECDSAP256"));
    spec["securityContext"] = json!({ "runAsUser": 1234 });
    let web = cluster.create(PODS, &placed("web", spec)).await;
    let first = asked(&cluster, "web").await;
    assert_eq!(first["spec"]["podUID"], web["metadata"]["uid"]);
    assert_eq!(first["spec"]["maxExpirationSeconds"], 3600);
    assert_eq!(
        first["spec"]["unverifiedUserAnnotations"],
        json!({ "example.com/for": "tests" })
    );
    let waits = tells("FailedMount", "credential bundle is not issued yet");
    cluster.wait(EVENTS, "tell that it waits", waits).await;
    let (soon, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    let issued = cluster.server().issued(&first, soon, minute);
    cluster.merge(&status_of(&first), &issued).await;
    cluster.wait(&path("web"), "is ready", is_ready).await;

    let shown = |file: &str| said(&node, "web", "main", &format!("cat /shown/{file}"));
    let fits = |key: &str, chain: &str| {
        let key = KeyPair::from_pem(key).expect("it is a key");
        let all = CertificateDer::pem_slice_iter(chain.as_bytes());
        let all: Vec<_> = all.filter_map(Result::ok).collect();
        let public = key.subject_public_key_info();
        let leaf = all.first().expect("there is one");
        all.len() == 2 && leaf.windows(public.len()).any(|part| part == public)
    };
    let (key, chain) = (shown("key.pem"), shown("chain.pem"));
    assert!(fits(&key, &chain), "{chain}");
    assert_eq!(shown("all.pem"), format!("{key}{chain}"));
    let who = said(
        &node,
        "web",
        "main",
        "stat -Lc '%u %a' /shown/key.pem; stat -fc %T /shown",
    );
    assert_eq!(who, "1234 600\ntmpfs\n");

    // The next one is asked for when the signer has said, with another key.
    let second = asked(&cluster, "web").await;
    let issued = cluster.server().issued(&second, soon, minute);
    cluster.merge(&status_of(&second), &issued).await;
    let is_new = || shown("key.pem") != key;
    wait_until(DEADLINE, "the files are those of the second", is_new).await;
    assert!(fits(&shown("key.pem"), &shown("chain.pem")));

    // One that is denied leaves what is there, and is told.
    let key = shown("key.pem");
    let third = asked(&cluster, "web").await;
    let denied = json!({ "status": { "conditions": [
        { "type": "Denied", "status": "True", "reason": "No", "message": "not you" },
    ]}});
    cluster.merge(&status_of(&third), &denied).await;
    let words = "was denied, reason=\"No\", message=\"not you\"";
    cluster
        .wait(EVENTS, "tell of the denial", tells("Denied", words))
        .await;
    assert_eq!(shown("key.pem"), key);
    let web = cluster.get(&path("web")).await.expect("it is there");
    assert!(is_ready(&web), "{web:#}");
    assert_eq!(Pod(web).main().map(|main| main.restarts()), Some(0));

    // Who is denied from the beginning does not start.
    let late = placed("late", with_sources(&image, sources("ECDSAP256")));
    cluster.create(PODS, &late).await;
    let fourth = asked(&cluster, "late").await;
    cluster.merge(&status_of(&fourth), &denied).await;
    let words = "was permanently denied: reason=\"No\" message=\"not you\"";
    cluster
        .wait(EVENTS, "tell why not", tells("FailedMount", words))
        .await;
    for name in ["late", "web"] {
        cluster.delete(&path(name), Some(1)).await;
        cluster.wait_gone(&path(name)).await;
    }
    node.stop().await;
}
