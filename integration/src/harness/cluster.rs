//! A cluster for a node to join: the small API server of the tests, or a real one.
//!
//! `PODLING_TEST_CLUSTER` names a directory that describes a real one: `server` with its URL, `ca.crt`
//! of who signs its certificate, `admin.crt` and `admin.key` of who may do everything, and
//! `node.kubeconfig` of the node named `node`. Stories that run over it run one after the other.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Certificate, Client, ClientBuilder, Identity, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::daemon::Start;
use super::wait::{DEADLINE, try_for};
use crate::apiserver::{ADMIN, ApiServer, BOOTSTRAP, NODE};

/// A cluster, as its admin sees it.
#[derive(Debug)]
pub struct Cluster {
    /// Nothing for a real one.
    own: Option<ApiServer>,
    /// Where a real one is described.
    described: Option<PathBuf>,
    url: String,
    /// Nothing for a real one, which knows a certificate.
    token: String,
    kubeconfig: PathBuf,
    http: Client,
    folder: TempDir,
}

impl Cluster {
    /// Starts one, or finds the real one without anything of a test.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        match std::env::var_os("PODLING_TEST_CLUSTER") {
            Some(directory) => Self::real(Path::new(&directory), folder).await,
            None => Self::own(folder),
        }
    }

    /// The small one, for stories that need to break it.
    pub fn breakable() -> Self {
        Self::own(tempfile::tempdir().expect("a temporary directory can be made"))
    }

    /// A small one that speaks TLS, and signs certificates as `ApiServer::sign` says.
    pub fn secure() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let own = ApiServer::start_secure();
        let kubeconfig = folder.path().join("node.kubeconfig");
        let authority = Certificate::from_pem(own.authority().as_bytes());
        let authority = authority.expect("it is a certificate");
        choose_crypto();
        let cluster = Self {
            url: own.url(),
            token: ADMIN.to_owned(),
            kubeconfig,
            http: client_of(Client::builder().tls_certs_only([authority])),
            own: Some(own),
            described: None,
            folder,
        };
        cluster.write("node.kubeconfig", &json!({ "token": NODE }));
        cluster
    }

    /// A client that trusts who signs the cluster's certificates, and finds a host at this address.
    pub fn trusting(&self, host: &str, address: SocketAddr) -> Client {
        let authority = self.own.as_ref().map(ApiServer::authority);
        let authority = Certificate::from_pem(authority.unwrap_or_default().as_bytes());
        let authority = authority.expect("it is a certificate");
        choose_crypto();
        client_of(
            Client::builder()
                .tls_certs_only([authority])
                .resolve(host, address),
        )
    }

    /// How a machine joins with one command.
    pub fn inviting(&self) -> Start {
        let own = self.own.as_ref().expect("it is a small one");
        let endpoint = own.url().trim_start_matches("https://").to_owned();
        let words = [
            "join",
            &endpoint,
            "--token",
            BOOTSTRAP,
            "--discovery-token-ca-cert-hash",
        ];
        let mut verb: Vec<String> = words.map(str::to_owned).into();
        verb.push(own.pin());
        Start {
            verb,
            ..Start::default()
        }
    }

    /// Writes a kubeconfig of this user, beside what else is of the test.
    pub fn write(&self, name: &str, user: &Value) -> PathBuf {
        let authority = self.own.as_ref().map_or("", ApiServer::authority);
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{ "name": "own", "cluster": {
                "server": self.url, "certificate-authority-data": STANDARD.encode(authority),
            }}],
            "users": [{ "name": "u", "user": user }],
            "contexts": [{ "name": "c", "context": { "cluster": "own", "user": "u" } }],
        });
        let file = self.file(name);
        fs::write(&file, config.to_string()).expect("there is room");
        file
    }

    /// A file of the test's own.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How a machine is started that has a token to ask for the certificate of a node, and no more.
    pub fn bootstrapping(&self, more: &[&str]) -> Start {
        let bootstrap = self.write("bootstrap.kubeconfig", &json!({ "token": BOOTSTRAP }));
        let kubeconfig = self.file("kubelet.conf");
        let mut arguments = vec![
            format!("--bootstrap-kubeconfig={}", bootstrap.display()),
            format!("--kubeconfig={}", kubeconfig.display()),
        ];
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        Start {
            arguments,
            ..Start::default()
        }
    }

    fn own(folder: TempDir) -> Self {
        let own = ApiServer::start();
        let kubeconfig = folder.path().join("node.kubeconfig");
        fs::write(&kubeconfig, kubeconfig_of(&own.url(), NODE)).expect("there is room");
        Self {
            url: own.url(),
            own: Some(own),
            described: None,
            token: ADMIN.to_owned(),
            kubeconfig,
            http: client_of(Client::builder().tls_certs_only([])),
            folder,
        }
    }

    async fn real(directory: &Path, folder: TempDir) -> Self {
        let read = |name: &str| {
            let text = fs::read_to_string(directory.join(name));
            text.unwrap_or_else(|error| panic!("PODLING_TEST_CLUSTER: {name}: {error}"))
        };
        let cluster = Self {
            own: None,
            described: Some(directory.to_owned()),
            url: read("server").trim().to_owned(),
            token: String::new(),
            kubeconfig: directory.join("node.kubeconfig"),
            http: known(&read("ca.crt"), &(read("admin.crt") + &read("admin.key"))),
            folder,
        };
        cluster.tidy_up().await;
        cluster
    }

    /// Takes away what an earlier story has left.
    async fn tidy_up(&self) {
        for (group, kind) in [
            ("apis/apps/v1", "deployments"),
            ("apis/apps/v1", "daemonsets"),
            ("apis/apps/v1", "statefulsets"),
            ("apis/apps/v1", "replicasets"),
            ("apis/batch/v1", "jobs"),
            ("api/v1", "persistentvolumeclaims"),
            ("apis/certificates.k8s.io/v1beta1", "podcertificaterequests"),
        ] {
            let path = format!("/{group}/namespaces/default/{kind}");
            self.delete(&path, None).await;
        }
        for path in [
            "/api/v1/persistentvolumes",
            "/apis/storage.k8s.io/v1/volumeattachments",
            // The cluster's own has no such label.
            "/apis/certificates.k8s.io/v1beta1/clustertrustbundles?labelSelector=version",
        ] {
            self.delete(path, None).await;
        }
        let pods = self.get("/api/v1/pods").await.unwrap_or_default();
        for pod in pods["items"].as_array().into_iter().flatten() {
            let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
            let path = format!(
                "/api/v1/namespaces/{}/pods/{}",
                text("namespace"),
                text("name")
            );
            self.delete(&path, Some(0)).await;
        }
        self.delete("/api/v1/nodes/node", None).await;
    }

    /// How a node is started that joins it.
    pub fn joining(&self) -> Start {
        let kubeconfig = self.kubeconfig.display().to_string();
        let mut arguments = vec!["--kubeconfig".to_owned(), kubeconfig];
        if let Some(directory) = &self.described {
            // The API server itself comes with a certificate.
            let authority = directory.join("ca.crt").display().to_string();
            arguments.extend(["--client-ca-file".to_owned(), authority]);
        }
        Start {
            arguments,
            ..Start::default()
        }
    }

    /// `kubectl`, or the program that `KUBECTL` names, as the admin of a real cluster.
    pub fn kubectl(&self, arguments: &[&str]) -> Command {
        let directory = self.described.as_ref();
        let directory = directory.expect("the story needs a real cluster: make cluster-test");
        let program = std::env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into());
        let mut command = Command::new(program);
        command.arg("--server").arg(&self.url);
        for (flag, file) in [
            ("--certificate-authority", "ca.crt"),
            ("--client-certificate", "admin.crt"),
            ("--client-key", "admin.key"),
        ] {
            command.arg(flag).arg(directory.join(file));
        }
        command.args(arguments);
        command
    }

    /// The small server; there is none when the cluster is real.
    pub fn server(&mut self) -> &mut ApiServer {
        self.own.as_mut().expect("the story needs the small server")
    }

    /// A client that believes anybody to be who he says.
    pub fn unsuspecting(&self) -> Client {
        client_of(Client::builder().tls_danger_accept_invalid_certs(true))
    }

    /// An object or a list.
    pub async fn get(&self, path: &str) -> Option<Value> {
        let (status, answer) = self.ask(Method::GET, path, None).await?;
        status.is_success().then_some(answer)
    }

    /// Makes an object in a collection.
    pub async fn create(&self, path: &str, object: &Value) -> Value {
        let body = Some(("application/json", object));
        self.expect(Method::POST, path, body).await
    }

    /// Makes an object in a collection, unless somebody else has made it.
    pub async fn ensure(&self, path: &str, object: &Value) {
        let body = Some(("application/json", object));
        let (status, answer) = self
            .ask(Method::POST, path, body)
            .await
            .expect("the API server answers");
        let is_there = status.is_success() || status == StatusCode::CONFLICT;
        assert!(is_there, "POST {path}: {status}: {answer}");
    }

    /// Changes an object.
    pub async fn patch(&self, path: &str, change: &Value) -> Value {
        let body = Some(("application/merge-patch+json", change));
        self.expect(Method::PATCH, path, body).await
    }

    /// Changes lists whose entries have keys.
    pub async fn merge(&self, path: &str, change: &Value) -> Value {
        let body = Some(("application/strategic-merge-patch+json", change));
        self.expect(Method::PATCH, path, body).await
    }

    /// Deletes an object, with this grace or its own. One that is not there is gone.
    pub async fn delete(&self, path: &str, grace: Option<u32>) {
        let options = match grace {
            Some(seconds) => json!({ "gracePeriodSeconds": seconds }),
            None => json!({}),
        };
        let (status, answer) = self
            .ask(Method::DELETE, path, Some(("application/json", &options)))
            .await
            .expect("the API server answers");
        let is_well = status.is_success() || status == StatusCode::NOT_FOUND;
        assert!(is_well, "DELETE {path}: {status}: {answer}");
    }

    /// Waits until an object is as `is_so` wants it.
    pub async fn wait(&self, path: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let found = try_for(DEADLINE, async || self.get(path).await.filter(&is_so)).await;
        match found {
            Some(object) => object,
            None => panic!(
                "{path}: {what}: not seen; it is {:#}",
                self.get(path).await.unwrap_or_default()
            ),
        }
    }

    /// Waits until there is no such object.
    pub async fn wait_gone(&self, path: &str) {
        let gone = try_for(DEADLINE, async || {
            let (status, _) = self.ask(Method::GET, path, None).await?;
            (status == StatusCode::NOT_FOUND).then_some(())
        });
        if gone.await.is_none() {
            panic!(
                "{path} is still there: {:#}",
                self.get(path).await.unwrap_or_default()
            );
        }
    }

    async fn expect(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> Value {
        let (status, answer) = self
            .ask(method.clone(), path, body)
            .await
            .expect("the API server answers");
        assert!(status.is_success(), "{method} {path}: {status}: {answer}");
        answer
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Option<(StatusCode, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some((kind, body)) = body {
            request = request.header("Content-Type", kind).body(body.to_string());
        }
        let response = request.send().await.ok()?;
        let status = response.status();
        let bytes = response.bytes().await.ok()?;
        Some((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }
}

/// A client that trusts one authority, and shows a certificate with its key.
pub fn known(authority: &str, certificate: &str) -> Client {
    choose_crypto();
    let authority = Certificate::from_pem(authority.as_bytes()).expect("ca.crt is a certificate");
    let identity = Identity::from_pem(certificate.as_bytes());
    let identity = identity.expect("admin.crt and admin.key belong together");
    let builder = Client::builder().tls_certs_only([authority]);
    client_of(builder.identity(identity))
}

fn choose_crypto() {
    static PROVIDER: Once = Once::new();
    // Somebody else in the process may have chosen the same one before.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

fn client_of(builder: ClientBuilder) -> Client {
    choose_crypto();
    let client = builder.timeout(Duration::from_secs(10)).no_proxy().build();
    client.expect("a client can be made")
}

fn kubeconfig_of(url: &str, token: &str) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "node",
        "clusters": [{ "name": "own", "cluster": { "server": url } }],
        "users": [{ "name": "node", "user": { "token": token } }],
        "contexts": [{ "name": "node", "context": { "cluster": "own", "user": "node" } }],
    });
    config.to_string()
}
