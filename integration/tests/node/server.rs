//! The kubelet's server as a configuration has it.

use std::fs;
use std::path::Path;

use podling_integration::harness::cluster::known;
use podling_integration::harness::{Node, http};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

use crate::kubelet_config::free_address;
use crate::{configured, is_running, pod, shell};

/// Who signs, and whom others are to trust.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).expect("it can be signed");
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate and its key, as PEM.
    fn sign(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a good name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages.push(usage);
        let certificate = params.signed_by(&key, &self.issuer);
        let certificate = certificate.expect("it can be signed");
        (certificate.pem(), key.serialize_pem())
    }
}

/// A node whose server has a certificate and knows its clients by theirs; and a client with its URL.
async fn served(root: &Path, more: &str) -> (Node, reqwest::Client, reqwest::Client, String) {
    let address = free_address();
    let name = address.ip().to_string();
    let authority = Authority::new("of-all");
    let (certificate, key) = authority.sign(&name, ExtendedKeyUsagePurpose::ServerAuth);
    let place = |file: &str, text: &str| {
        let path = root.join(file);
        fs::write(&path, text).expect("there is room");
        path.display().to_string()
    };
    let fields = format!(
        "address: {name}\nport: {}\ntlsCertFile: {}\ntlsPrivateKeyFile: {}\n\
         authentication:\n  anonymous:\n    enabled: false\n  webhook:\n    enabled: false\n  x509:\n    \
         clientCAFile: {}\nauthorization:\n  mode: AlwaysAllow\n{more}",
        address.port(),
        place("server.crt", &certificate),
        place("server.key", &key),
        place("ca.crt", &authority.pem),
    );
    let node = configured(root, &fields).await;
    let client = |signer: &Authority| {
        let (certificate, key) = signer.sign("reader", ExtendedKeyUsagePurpose::ClientAuth);
        known(&authority.pem, &(certificate + &key))
    };
    let stranger = Authority::new("of-others");
    let url = format!("https://{address}");
    (node, client(&authority), client(&stranger), url)
}

async fn status(client: &reqwest::Client, url: &str) -> Option<(u16, String)> {
    let answer = client.get(url).send().await.ok()?;
    Some((answer.status().as_u16(), answer.text().await.ok()?))
}

#[tokio::test]
async fn a_server_is_where_it_shall_be_with_its_certificate_and_its_clients() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let (node, client, stranger, url) = served(root.path(), "").await;
    let image = node.import_debian("busybox").await;
    node.manifest(
        "web.yaml",
        &pod("web", shell(&image, "echo here; sleep 1000")),
    );
    let web = node.wait_pod("web", "runs", is_running).await;
    let pods = status(&client, &format!("{url}/pods")).await;
    let (code, pods) = pods.expect("its certificate is trusted");
    assert_eq!(code, 200);
    assert!(pods.contains(web.uid()), "{pods}");
    let refused = status(&stranger, &format!("{url}/pods")).await;
    assert!(
        refused.as_ref().is_none_or(|(code, _)| *code == 401),
        "{refused:?}"
    );
    node.stop().await;
}

#[tokio::test]
async fn a_server_without_handlers_for_debugging_lets_nobody_into_pods() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let (node, client, _, url) = served(root.path(), "enableDebuggingHandlers: false\n").await;
    for path in ["/containerLogs/default/web/main", "/runningpods/", "/logs/"] {
        let answer = status(&client, &format!("{url}{path}")).await;
        let refused = (405, "Debug endpoints are disabled.\n".to_owned());
        assert_eq!(answer, Some(refused), "{path}");
    }
    for path in ["/pods", "/healthz", "/metrics", "/stats/summary"] {
        let answer = status(&client, &format!("{url}{path}")).await;
        assert_eq!(answer.map(|(code, _)| code), Some(200), "{path}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_server_that_is_switched_off_leaves_the_nodes_health() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let (server, health) = (free_address(), free_address());
    let fields = format!(
        "enableServer: false\naddress: {}\nport: {}\nhealthzBindAddress: {}\nhealthzPort: {}\n",
        server.ip(),
        server.port(),
        health.ip(),
        health.port(),
    );
    let node = configured(root.path(), &fields).await;
    let answer = http::get(health, "/healthz").expect("it listens");
    assert_eq!(answer.text(), "ok");
    assert!(std::net::TcpStream::connect(server).is_err());
    node.stop().await;
}
