//! What becomes of requests, and which kubeconfig counts.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::json;

use super::keeper::Renewal;
use super::verdict::{Verdict, verdict};
use super::{Entry, enter};
use crate::api::{ClusterSettings, Detection, JoinError, NodeWishes, ReviewSettings, ReviewTimes};
use crate::metrics::CertificateMetrics;

#[test]
fn a_request_waits_until_it_is_issued_or_refused() {
    let of = |conditions: serde_json::Value, certificate: &str| {
        let status = json!({ "conditions": conditions, "certificate": certificate });
        verdict(&json!({ "status": status }))
    };
    let approved = json!([{ "type": "Approved" }]);
    assert_eq!(verdict(&json!({})), Verdict::Waits);
    assert_eq!(of(approved.clone(), ""), Verdict::Waits);
    assert_eq!(
        of(json!([]), "UEVN"),
        Verdict::Waits,
        "nobody has approved it"
    );
    assert_eq!(of(approved, "UEVN"), Verdict::Issued(b"PEM".to_vec()));
    let denied = json!([{ "type": "Denied", "reason": "No", "message": "not you" }]);
    let words = "certificate signing request is denied, reason: No, message: not you";
    assert_eq!(of(denied, "UEVN"), Verdict::Refused(words.to_owned()));
    let failed =
        json!([{ "type": "Approved" }, { "type": "Failed", "reason": "R", "message": "m" }]);
    let words = "certificate signing request failed, reason: R, message: m";
    assert_eq!(of(failed, ""), Verdict::Refused(words.to_owned()));
}

const BOOTSTRAP: &str = "apiVersion: v1
kind: Config
current-context: c
clusters: [{name: k, cluster: {server: 'https://127.0.0.1:6443', certificate-authority: ca.crt}}]
users: [{name: u, user: {token: abcdef.0123456789abcdef}}]
contexts: [{name: c, context: {cluster: k, user: u}}]
";

/// A kubeconfig with a certificate that ends in this year.
fn with_certificate(until: i32) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.not_after = date_time_ymd(until, 1, 1);
    let pem = params.self_signed(&key).unwrap().pem();
    let data =
        |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    BOOTSTRAP.replace(
        "token: abcdef.0123456789abcdef",
        &format!(
            "client-certificate-data: {}, client-key-data: {}",
            data(&pem),
            data(&key.serialize_pem())
        ),
    )
}

fn settings(folder: &Path, renewal: Renewal) -> ClusterSettings {
    let never = Duration::ZERO;
    let bootstrap = folder.join("bootstrap.conf");
    ClusterSettings {
        kubeconfig: folder.join("kubelet.conf"),
        bootstrap: bootstrap.exists().then_some(bootstrap),
        pki: folder.join("pki"),
        renewal,
        qps: 0,
        burst: 0,
        events: (0, 0),
        reviews: ReviewSettings {
            tokens: false,
            access: false,
            times: ReviewTimes {
                tokens: never,
                allowed: never,
                forbidden: never,
            },
        },
        detection: Detection::Watch,
        closed: std::collections::BTreeMap::new(),
        node: NodeWishes {
            register: true,
            taints: Vec::new(),
            provider_id: String::new(),
            controller_attaches: false,
            update: never,
            report: never,
            lease_seconds: 40,
        },
    }
}

fn entered(folder: &Path, renewal: Renewal) -> Result<Entry, JoinError> {
    enter(
        &settings(folder, renewal),
        "n",
        &CertificateMetrics::default(),
    )
}

#[test]
fn a_kubeconfig_that_is_good_makes_bootstrapping_needless() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubelet.conf");
    let good = with_certificate(2090);
    fs::write(&file, &good).unwrap();
    fs::write(folder.path().join("bootstrap.conf"), BOOTSTRAP).unwrap();
    let entry = entered(folder.path(), Renewal::Never).unwrap();
    assert!(entry.keeper.is_none());
    assert_eq!(fs::read_to_string(&file).unwrap(), good);
}

#[test]
fn a_kubeconfig_that_is_missing_or_of_no_use_is_written_anew() {
    for before in [
        None,
        Some(with_certificate(2001)),
        Some(BOOTSTRAP.to_owned()),
        Some("{".to_owned()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubelet.conf");
        if let Some(before) = &before {
            fs::write(&file, before).unwrap();
        }
        assert_eq!(
            entered(folder.path(), Renewal::Never).is_err(),
            before.as_deref().is_none_or(|text| text == "{")
        );
        fs::write(folder.path().join("bootstrap.conf"), BOOTSTRAP).unwrap();
        let entry = entered(folder.path(), Renewal::Never).unwrap();
        assert!(entry.keeper.is_some(), "{before:?}");
        let text = fs::read_to_string(&file).unwrap();
        let kubeconfig = crate::api::kubeconfig::read(&file, &text).unwrap();
        assert_eq!(kubeconfig.server, "https://127.0.0.1:6443");
        let shown = format!(
            "{:?} {:?}",
            kubeconfig.authority, kubeconfig.user.certificate
        );
        for expected in ["ca.crt", "pki/kubelet-client-current.pem"] {
            let expected = folder.path().join(expected).display().to_string();
            assert!(shown.contains(&expected), "{shown}");
        }
    }
}

#[test]
fn a_bootstrap_kubeconfig_that_is_needed_and_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path(), Renewal::Never);
    settings.bootstrap = Some(folder.path().join("none"));
    let error = enter(&settings, "n", &CertificateMetrics::default());
    let error = error.err().unwrap().to_string();
    assert!(error.ends_with("/none (--bootstrap-kubeconfig)"), "{error}");
}

#[test]
fn a_certificate_that_is_renewed_begins_with_the_one_of_the_kubeconfig() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("kubelet.conf"), with_certificate(2090)).unwrap();
    let entry = entered(folder.path(), Renewal::InTime).unwrap();
    assert!(entry.keeper.is_some());
    let current = folder.path().join("pki/kubelet-client-current.pem");
    assert!(
        fs::read_to_string(&current)
            .unwrap()
            .contains("PRIVATE KEY")
    );
    // It is not taken over again.
    let before = fs::read_link(&current).unwrap();
    entered(folder.path(), Renewal::InTime).unwrap();
    assert_eq!(fs::read_link(&current).unwrap(), before);
}

#[test]
fn a_certificate_whose_kubeconfig_is_gone_does_not_count_and_one_beside_an_old_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubelet.conf");
    let current = folder.path().join("pki/kubelet-client-current.pem");
    fs::write(&file, with_certificate(2090)).unwrap();
    fs::write(folder.path().join("bootstrap.conf"), BOOTSTRAP).unwrap();
    entered(folder.path(), Renewal::InTime).unwrap();
    let kept = fs::canonicalize(&current).unwrap();
    // What was issued later counts when that of the kubeconfig has ended.
    fs::write(&file, with_certificate(2001)).unwrap();
    entered(folder.path(), Renewal::InTime).unwrap();
    assert_eq!(fs::canonicalize(&current).unwrap(), kept);
    // Of a cluster that was left nothing is shown to another one.
    fs::remove_file(&file).unwrap();
    entered(folder.path(), Renewal::InTime).unwrap();
    assert!(!current.exists());
    assert!(kept.exists(), "it can be found again");
}
