//! What is asked for, what is understood of the answer, and what is told of a late one.

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::plan::{Asker, Issued, Lateness, Refused, Verdict, request, source_of, verdict};
use super::proof::Proof;
use crate::model::{CertificateWish, ObjectKey, ObjectKind};

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";

fn pod() -> core::Pod {
    let pod = json!({
        "metadata": { "name": "web", "namespace": "default", "uid": "1" },
        "spec": {
            "nodeName": "node", "serviceAccountName": "robot", "containers": [],
            "volumes": [{ "name": "me", "projected": { "sources": [
                { "configMap": { "name": "c" } },
                { "podCertificate": {
                    "signerName": "example.com/one", "keyType": "ED25519",
                    "maxExpirationSeconds": 7200, "userAnnotations": { "example.com/a": "b" },
                    "credentialBundlePath": "all.pem",
                }},
            ]}}],
        },
    });
    serde_json::from_value(pod).unwrap()
}

#[test]
fn a_request_says_whose_it_is_and_what_the_pod_asks_for() {
    let pod = pod();
    let key = ObjectKey::new(ObjectKind::PodCertificate, "default", "me/1");
    let wish = CertificateWish::of(&key).unwrap();
    assert_eq!(wish.key("default"), key);
    let source = source_of(&pod, &wish).expect("it is there");
    let of = |source| CertificateWish {
        source,
        ..wish.clone()
    };
    assert_eq!(source_of(&pod, &of(0)), None);
    assert_eq!(source_of(&pod, &of(2)), None);
    let asker = Asker {
        pod: &pod,
        source,
        account_uid: "2",
        node_uid: "3",
    };
    let request = request(&asker, b"proof");
    let expected = json!({
        "signerName": "example.com/one",
        "podName": "web", "podUID": "1",
        "serviceAccountName": "robot", "serviceAccountUID": "2",
        "nodeName": "node", "nodeUID": "3",
        "maxExpirationSeconds": 7200,
        "stubPKCS10Request": "cHJvb2Y=",
        "unverifiedUserAnnotations": { "example.com/a": "b" },
    });
    assert_eq!(request["spec"], expected);
    let owner = json!({ "apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "1" });
    assert_eq!(request["metadata"]["ownerReferences"], json!([owner]));
}

fn of(conditions: Value, chain: &str) -> Verdict {
    verdict(&json!({ "status": {
        "conditions": conditions, "certificateChain": chain,
        "beginRefreshAt": "2026-01-01T00:00:00Z", "notAfter": "2026-01-02T00:00:00Z",
    }}))
}

#[test]
fn a_request_waits_until_it_is_issued_denied_or_failed() {
    assert_eq!(verdict(&json!({})), Verdict::Waits);
    assert_eq!(of(json!([]), CERTIFICATE), Verdict::Waits);
    let chain = format!("words\n{CERTIFICATE}more words\n{CERTIFICATE}");
    let issued = Issued {
        chain: CERTIFICATE.repeat(2),
        renewed_from: "2026-01-01T00:00:00Z".parse().unwrap(),
        until: "2026-01-02T00:00:00Z".parse().unwrap(),
    };
    let condition = |kind: &str| json!([{ "type": kind, "reason": "R", "message": "m" }]);
    assert_eq!(of(condition("Issued"), &chain), Verdict::Issued(issued));
    let Verdict::Refused(denied) = of(condition("Denied"), "") else {
        panic!("it is denied");
    };
    assert_eq!(
        denied.of_volume(),
        "PodCertificateRequest was permanently denied: reason=\"R\" message=\"m\""
    );
    assert_eq!(
        denied.of_event("default/req-1"),
        "PodCertificateRequest default/req-1 was denied, reason=\"R\", message=\"m\""
    );
    let failed = Refused {
        how: "Failed",
        ..denied
    };
    assert_eq!(of(condition("Failed"), ""), Verdict::Refused(failed));
    let nothing = of(condition("Issued"), "nothing");
    assert!(matches!(nothing, Verdict::Refused(_)), "{nothing:?}");
}

#[test]
fn a_certificate_is_overdue_ten_minutes_after_its_time_and_ends_later() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let issued = Issued {
        chain: String::new(),
        renewed_from: at("2026-01-01T00:00:00Z"),
        until: at("2026-01-01T01:00:00Z"),
    };
    for (now, expected) in [
        ("2025-12-31T00:00:00Z", Lateness::InTime),
        ("2026-01-01T00:10:00Z", Lateness::InTime),
        ("2026-01-01T00:10:01Z", Lateness::Overdue),
        ("2026-01-01T01:00:00Z", Lateness::Overdue),
        ("2026-01-01T01:00:01Z", Lateness::Expired),
    ] {
        assert_eq!(Lateness::of(&issued, at(now)), expected, "{now}");
    }
}

#[test]
fn the_next_one_is_asked_for_a_little_after_the_signers_time() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let of = |until: &str| Issued {
        chain: String::new(),
        renewed_from: at("2026-01-01T00:00:00Z"),
        until: at(until),
    };
    let day = of("2026-01-02T00:00:00Z");
    assert_eq!(day.asked_again_at(0.0), at("2026-01-01T00:00:00Z"));
    assert_eq!(day.asked_again_at(1.0), at("2026-01-01T00:05:00Z"));
    let short = of("2026-01-01T00:10:00Z");
    assert_eq!(short.asked_again_at(1.0), at("2026-01-01T00:01:00Z"));
}

#[test]
fn a_key_of_ed25519_is_written_as_openssl_reads_it() {
    let proof = Proof::make("ED25519").unwrap();
    let key = PrivateKeyDer::from_pem_slice(proof.key.as_bytes()).unwrap();
    // A sequence of 46 bytes that begins with version 0: the first version of PKCS #8, with the secret alone.
    assert_eq!(key.secret_der()[..5], [0x30, 46, 0x02, 0x01, 0]);
    assert_eq!(key.secret_der().len(), 48);
    // It is the key that has signed the request.
    let key = rcgen::KeyPair::from_pem(&proof.key).unwrap();
    let public = key.public_key_raw();
    let mut inside = proof.request.windows(public.len());
    assert!(inside.any(|part| part == public));
}

#[test]
fn keys_of_each_type_are_made_and_shown_to_be_there() {
    for kind in ["ECDSAP256", "ECDSAP384", "ED25519"] {
        let proof = Proof::make(kind).unwrap();
        let key = PrivateKeyDer::from_pem_slice(proof.key.as_bytes()).unwrap();
        assert!(matches!(key, PrivateKeyDer::Pkcs8(_)), "{kind}");
        assert_eq!(proof.request[0], 0x30, "{kind}: it is a sequence");
    }
    let error = Proof::make("DSA").err().expect("there is none").to_string();
    assert!(error.contains("DSA"), "{error}");
}
