//! What a machine needs to join a cluster that was found: a kubeconfig that may ask for a certificate,
//! and what the cluster wants of its kubelets.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{BootstrapToken, Found};
use crate::api::client::{Client, Pace};
use crate::api::kubeconfig::{self, Kubeconfig, Material, Token, User};
use crate::api::signing::flaw_of;
use crate::config::{Configuration, Text, fields_of};

const KUBELET_CONFIG: &str = "/api/v1/namespaces/kube-system/configmaps/kubelet-config";

/// Fields that are about places and programs of a machine, which another machine has elsewhere.
const OF_THE_MACHINE: &[&str] = &[
    "cgroupDriver",
    "containerRuntimeEndpoint",
    "imageServiceEndpoint",
    "podLogsDir",
    "providerID",
    "resolvConf",
    "staticPodPath",
    "staticPodURL",
    "staticPodURLHeader",
    "tlsCertFile",
    "tlsPrivateKeyFile",
    "volumePluginDir",
];

/// Why a machine cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The discovery file knows no login, and there is no token.
    #[error("nothing is known to ask for a certificate with: give --token ID.SECRET")]
    NoLogin,
    /// There is a node of this name already.
    #[error(
        "a Node with name {0:?} and status \"Ready\" already exists in the cluster. You must delete \
         the existing Node or change the name of this new joining Node (--node-name)"
    )]
    NameTaken(String),
    /// The cluster does not answer, or does not know the token.
    #[error("the cluster does not let this machine in")]
    Ask(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What is written down for the kubelet.
#[derive(Clone, Debug)]
pub struct Advice {
    /// A kubeconfig that may ask for a certificate.
    pub bootstrap: String,
    /// Who signs the cluster's certificates, in PEM; may be empty.
    pub authority: String,
    /// A KubeletConfiguration, as JSON.
    pub configuration: String,
    /// Why the cluster's own configuration could not be had.
    pub missing: Option<String>,
}

/// Asks a cluster what it wants of its kubelets. `authority` is where its certificate will be.
pub async fn advice(
    found: &Found,
    token: Option<&BootstrapToken>,
    (node, authority): (&str, &Path),
) -> Result<Advice, PrepareError> {
    let mut kubeconfig = found.kubeconfig.clone();
    if let Some(token) = token {
        kubeconfig.user = User {
            token: Some(Token::Fixed(token.secret())),
            ..User::default()
        };
    }
    let bootstrap = kubeconfig::write_login(&kubeconfig).ok_or(PrepareError::NoLogin)?;
    let client = Client::new(kubeconfig.clone(), Pace::new(0, 0));
    has_no_twin(&client, node).await?;
    let (said, missing) = match client.get(KUBELET_CONFIG).await {
        Ok(map) => match map["data"]["kubelet"].as_str() {
            Some(text) => read(text),
            None => (Map::new(), Some("it has no key kubelet".to_owned())),
        },
        Err(error) if error.is_not_found() || error.is_forbidden() => {
            (Map::new(), Some(error.to_string()))
        }
        Err(error) => return Err(PrepareError::Ask(error.into())),
    };
    let pem = match &kubeconfig.authority {
        Some(Material::Data(pem)) => String::from_utf8_lossy(pem).into_owned(),
        Some(Material::File(file)) => std::fs::read_to_string(file).unwrap_or_default(),
        None => String::new(),
    };
    let authority = (!pem.is_empty()).then_some(authority);
    Ok(Advice {
        bootstrap,
        authority: pem,
        configuration: configuration(said, authority),
        missing,
    })
}

/// As kubeadm: a node of this name that is ready is another machine. One that may not be looked at is
/// found out by its kubelet.
async fn has_no_twin(client: &Client, name: &str) -> Result<(), PrepareError> {
    let node = match client.get(&crate::api::node::path(name)).await {
        Ok(node) => node,
        Err(error) if error.is_not_found() || error.is_forbidden() => return Ok(()),
        Err(error) => return Err(PrepareError::Ask(error.into())),
    };
    let conditions = node["status"]["conditions"].as_array();
    let is_ready = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
    match conditions.is_some_and(|all| all.iter().any(is_ready)) {
        true => Err(PrepareError::NameTaken(name.to_owned())),
        false => Ok(()),
    }
}

fn read(text: &str) -> (Map<String, Value>, Option<String>) {
    let text = Text {
        file: "kubelet-config".into(),
        first_line: 1,
        text: text.to_owned(),
    };
    match fields_of(&text) {
        Ok(fields) => (fields, None),
        Err(problem) => (Map::new(), Some(problem.to_string())),
    }
}

/// The cluster's configuration without what is the machine's, or what only a later kubelet knows.
pub(super) fn configuration(mut fields: Map<String, Value>, authority: Option<&Path>) -> String {
    fields.retain(|name, _| {
        Configuration::FIELDS.contains(&name.as_str()) && !OF_THE_MACHINE.contains(&name.as_str())
    });
    fields
        .entry("rotateCertificates")
        .or_insert(Value::Bool(true));
    let mut whole = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
    });
    for (name, value) in fields {
        whole[name] = value;
    }
    if let Some(authority) = authority {
        whole["authentication"]["x509"]["clientCAFile"] = authority.display().to_string().into();
    }
    serde_json::to_string_pretty(&whole).expect("JSON has only text keys") + "\n"
}

/// The URL of the server of a kubeconfig with which a machine has joined a cluster, and may go on.
pub fn is_joined(file: &Path) -> Option<String> {
    let kubeconfig = read_file(file)?;
    flaw_of(&kubeconfig, Timestamp::now())
        .is_none()
        .then_some(kubeconfig.server)
}

/// The URL of the server that a kubeconfig names, whatever else is in it.
pub fn prepared_kubeconfig(file: &Path) -> Option<String> {
    read_file(file).map(|kubeconfig| kubeconfig.server)
}

fn read_file(file: &Path) -> Option<Kubeconfig> {
    let text = std::fs::read_to_string(file).ok()?;
    kubeconfig::read(file, &text).ok()
}
