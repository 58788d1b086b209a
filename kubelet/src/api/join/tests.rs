//! Tokens, signatures, pins, and what is made of a cluster's configuration.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair};
use serde_json::{Map, Value, json};

use super::pin::{Pin, pins_of};
use super::prepare::configuration;
use super::token::BootstrapToken;

#[test]
fn a_token_has_two_parts_and_shows_only_the_first() {
    let token: BootstrapToken = "abcdef.0123456789abcdef".parse().unwrap();
    assert_eq!(token.id(), "abcdef");
    assert_eq!(token.secret(), "abcdef.0123456789abcdef");
    assert!(!format!("{token:?}").contains("0123"));
    for text in [
        "abcdef",
        "abcde.0123456789abcdef",
        "ABCDEF.0123456789abcdef",
        "abcdef.short",
        "",
    ] {
        assert!(text.parse::<BootstrapToken>().is_err(), "{text}");
    }
}

/// The signature was made apart, as RFC 7515 says.
#[test]
fn a_signature_is_of_its_content_by_who_knows_the_token() {
    let signature =
        "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..psz1NayrXM3IaFzKZGsb5n_mBl7MjtlsZ1xE8MRmF_4";
    let token = |text: &str| text.parse::<BootstrapToken>().unwrap();
    let knows = token("abcdef.0123456789abcdef");
    assert!(knows.has_signed(signature, "content"));
    assert!(!knows.has_signed(signature, "other content"));
    assert!(!token("abcdef.0123456789abcdeg").has_signed(signature, "content"));
    assert!(!token("abcdeg.0123456789abcdef").has_signed(signature, "content"));
    for broken in ["", "..", "a..b", signature.split("..").next().unwrap()] {
        assert!(!knows.has_signed(broken, "content"), "{broken}");
    }
    // Somebody who says that nothing has to be signed.
    let none = "eyJhbGciOiJub25lIiwia2lkIjoiYWJjZGVmIn0..";
    assert!(!knows.has_signed(none, "content"));
}

#[test]
fn an_authority_is_known_by_the_digest_of_its_key() {
    let key = KeyPair::generate().unwrap();
    let pem = CertificateParams::default()
        .self_signed(&key)
        .unwrap()
        .pem();
    let found = pins_of(pem.as_bytes());
    let again: Pin = found[0].to_string().to_uppercase().parse().unwrap();
    assert_eq!(found, [again]);
    for text in ["sha256:abc", "md5:00", "", "0123"] {
        assert!(text.parse::<Pin>().is_err(), "{text}");
    }
}

#[test]
fn of_a_clusters_configuration_all_counts_that_is_not_the_machines() {
    let Value::Object(fields) = json!({
        "clusterDNS": ["10.96.0.10"],
        "clusterDomain": "cluster.local",
        "authentication": { "x509": { "clientCAFile": "/etc/kubernetes/pki/ca.crt" }, "anonymous": { "enabled": false } },
        "staticPodPath": "/etc/kubernetes/manifests",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "systemd",
        "ofALaterKubelet": true,
        "rotateCertificates": false,
    }) else {
        unreachable!("it is an object");
    };
    let text = configuration(fields, Some(Path::new("/c/ca.crt")));
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        read,
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "clusterDNS": ["10.96.0.10"],
            "clusterDomain": "cluster.local",
            "authentication": { "x509": { "clientCAFile": "/c/ca.crt" }, "anonymous": { "enabled": false } },
            "rotateCertificates": false,
        })
    );
    let read: Value = serde_json::from_str(&configuration(Map::new(), None)).unwrap();
    assert_eq!(read["rotateCertificates"], true);
    assert!(read["authentication"].is_null());
}
