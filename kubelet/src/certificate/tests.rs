//! Certificates that are read, asked for and kept.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use serde_json::json;

use super::*;

const NODE: &str = "system:node:n";

/// A certificate of the node for a key, from 2020 to 2060, in PEM.
fn issued(key: &KeyPair, servers: &[&str]) -> String {
    let servers: Vec<String> = servers.iter().map(|one| (*one).to_owned()).collect();
    let mut params = CertificateParams::new(servers).unwrap();
    params.distinguished_name = DistinguishedName::new();
    for (kind, text) in [
        (DnType::OrganizationName, "system:nodes"),
        (DnType::CommonName, NODE),
    ] {
        params.distinguished_name.push(kind, text);
    }
    params.not_before = date_time_ymd(2020, 1, 31);
    params.not_after = date_time_ymd(2060, 1, 31);
    let authority = KeyPair::generate().unwrap();
    let mut of_authority = CertificateParams::default();
    of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(of_authority, authority);
    params.signed_by(key, &issuer).unwrap().pem()
}

fn leaf(pem: &str) -> Leaf {
    Leaf::read(&certificates_of(pem.as_bytes())[0]).unwrap()
}

fn now() -> Timestamp {
    "2026-01-31T23:59:58Z".parse().unwrap()
}

#[test]
fn a_name_groups_and_times_are_read_from_a_certificate() {
    let key = KeyPair::generate().unwrap();
    let leaf = leaf(&issued(&key, &[]));
    assert_eq!(leaf.name, NODE);
    assert_eq!(leaf.groups, ["system:nodes"]);
    // Years from 2050 on are written in another way.
    assert_eq!(leaf.since.to_string(), "2020-01-31T00:00:00Z");
    assert_eq!(leaf.until.to_string(), "2060-01-31T00:00:00Z");
    assert!(!leaf.has_expired(now()));
    assert!(leaf.has_expired("2060-01-31T00:00:01Z".parse().unwrap()));
    assert_eq!(
        leaf.public_key,
        rcgen::PublicKeyData::subject_public_key_info(&key)
    );
}

#[test]
fn what_is_no_certificate_is_not_read() {
    for bytes in [&[][..], &[0x30], &[0x30, 0x82, 0xff, 0xff], b"hello, world"] {
        assert_eq!(Leaf::read(bytes), None);
    }
}

#[test]
fn a_certificate_is_replaced_between_seven_and_nine_tenths_of_its_life() {
    let key = KeyPair::generate().unwrap();
    let mut leaf = leaf(&issued(&key, &[]));
    leaf.since = now();
    leaf.until = now() + SignedDuration::from_secs(1000);
    for (chance, seconds) in [(0.0, 700), (0.5, 800), (1.0, 900), (7.0, 900)] {
        assert_eq!(
            due(&leaf, chance),
            now() + SignedDuration::from_secs(seconds)
        );
    }
}

#[test]
fn a_request_says_what_upstreams_says_and_has_a_name_of_its_key_and_wish() {
    let key = KeyPair::generate().unwrap();
    let wish = Wish::client("n");
    let request = wish.request(&key).unwrap();
    let spec = &request["spec"];
    assert_eq!(
        spec["signerName"],
        "kubernetes.io/kube-apiserver-client-kubelet"
    );
    assert_eq!(spec["usages"], json!(["digital signature", "client auth"]));
    assert!(wish.is_asked_by(&request));
    let name = request["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("node-csr-") && name.len() == 52, "{name}");
    assert_eq!(wish.request_name(&key), name, "it is the same each time");
    let other = KeyPair::generate().unwrap();
    assert_ne!(wish.request_name(&other), name);

    let address: IpAddr = "10.0.0.5".parse().unwrap();
    let serving = Wish::serving("n", &["n".to_owned()], &[address]).unwrap();
    assert_ne!(serving.request_name(&key), name);
    let request = serving.request(&key).unwrap();
    assert_eq!(
        request["spec"]["signerName"],
        "kubernetes.io/kubelet-serving"
    );
    assert_eq!(
        request["spec"]["usages"],
        json!(["digital signature", "server auth"])
    );
    assert!(!wish.is_asked_by(&request));
    assert_eq!(Wish::serving("n", &["n".to_owned()], &[]), None);
}

/// The digest was computed apart, from the words that upstream's kubelet hashes.
#[test]
fn a_request_has_the_name_that_upstreams_kubelet_gives_it() {
    let pem = "-----BEGIN PRIVATE KEY-----\n\
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgV/tfR0MU4X6M1mGy\n\
        o3wSQKlpaj4T/9qP4zfibrRoExShRANCAATsRJImTSrVpnReskqrPgn3YWZZ8JN7\n\
        86wgW48Z4AIxgzrx5AxbunX/jk34N2s5itbO40qwkPloYAMFNUzL63Iz\n\
        -----END PRIVATE KEY-----\n";
    let key = KeyPair::from_pem(pem).unwrap();
    assert_eq!(
        Wish::client("n").request_name(&key),
        "node-csr-6kV0yXt3sZ_V1Db3tccA3IbQ2lZzeJOavjX_D59gW4k"
    );
}

#[test]
fn a_certificate_that_lacks_an_address_or_is_anothers_is_not_what_was_wished() {
    let key = KeyPair::generate().unwrap();
    let address = |text: &str| -> IpAddr { text.parse().unwrap() };
    let addresses = [address("10.0.0.5"), address("fd00::5")];
    let wish = Wish::serving("n", &["n".to_owned()], &addresses).unwrap();
    let has = |servers: &[&str]| wish.is_met_by(&leaf(&issued(&key, servers)));
    assert!(has(&["n", "10.0.0.5", "fd00::5", "and-more"]));
    assert!(!has(&["n", "10.0.0.5"]));
    assert!(!has(&["10.0.0.5", "fd00::5"]));
    let of = |node: &str| Wish::client(node).is_met_by(&leaf(&issued(&key, &[])));
    assert!(of("n"));
    assert!(!of("m"));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_key_is_kept_until_its_certificate_is_there_and_both_are_the_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::of_client(folder.path());
    assert_eq!(shelf.current().unwrap(), None);
    let key = shelf.pending_key(None).unwrap();
    let again = shelf.pending_key(None).unwrap();
    assert_eq!(key.serialize_pem(), again.serialize_pem());
    assert_eq!(names(folder.path()), ["kubelet-client.key.tmp"]);
    shelf
        .put(issued(&key, &[]).as_bytes(), &key.serialize_pem(), now())
        .unwrap();
    assert_eq!(
        names(folder.path()),
        [
            "kubelet-client-2026-01-31-23-59-58.pem",
            "kubelet-client-current.pem"
        ]
    );
    let link = fs::symlink_metadata(shelf.current_file()).unwrap();
    assert!(link.is_symlink());
    let mode = fs::metadata(shelf.current_file())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let current = shelf.current().unwrap().unwrap();
    assert_eq!(current.name, NODE);
    // A key that was left though its certificate is here is not asked with again.
    fs::write(
        folder.path().join("kubelet-client.key.tmp"),
        key.serialize_pem(),
    )
    .unwrap();
    let next = shelf.pending_key(Some(&current)).unwrap();
    assert_ne!(next.serialize_pem(), key.serialize_pem());
}

#[test]
fn only_the_certificate_that_counts_and_the_one_before_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::of_server(folder.path());
    for second in 0..4 {
        let key = shelf.pending_key(None).unwrap();
        let now = now() + SignedDuration::from_secs(second);
        shelf
            .put(issued(&key, &[]).as_bytes(), &key.serialize_pem(), now)
            .unwrap();
    }
    let expected = [
        "kubelet-server-2026-02-01-00-00-00.pem",
        "kubelet-server-2026-02-01-00-00-01.pem",
        "kubelet-server-current.pem",
    ];
    assert_eq!(names(folder.path()), expected);
    let target = fs::read_link(shelf.current_file()).unwrap();
    assert!(target.ends_with(expected[1]), "{target:?}");
}

#[test]
fn what_is_of_no_use_does_not_take_the_place_of_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::of_client(folder.path());
    let key = shelf.pending_key(None).unwrap();
    let good = issued(&key, &[]);
    let put = |certificate: &str, key: &KeyPair, now: Timestamp| {
        let put = shelf.put(certificate.as_bytes(), &key.serialize_pem(), now);
        put.unwrap_err().to_string()
    };
    let other = KeyPair::generate().unwrap();
    let later = "2070-01-01T00:00:00Z".parse().unwrap();
    assert!(put(&good, &other, now()).contains("no certificate with its key"));
    assert!(put("no PEM", &key, now()).contains("no certificate with its key"));
    assert!(put(&good, &key, later).contains("has expired at 2060"));
    assert_eq!(names(folder.path()), ["kubelet-client.key.tmp"]);
    // What somebody has put there by hand is not overwritten.
    fs::write(shelf.current_file(), "mine").unwrap();
    assert!(put(&good, &key, now()).contains("symlink"));
    assert!(shelf.current().is_err());
    assert_eq!(fs::read(shelf.current_file()).unwrap(), b"mine");
}
