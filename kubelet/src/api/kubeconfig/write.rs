//! The text of the kubeconfig of a node that has, or shall get, a client certificate of its own.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Kubeconfig, Material};

/// A kubeconfig for the server of another one, with the certificate and key in a file. Paths are
/// absolute. The names in it are upstream's.
pub(in crate::api) fn write(of: &Kubeconfig, certificate: &Path) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let path = |path: &Path| quoted(&path.display().to_string());
    let authority = match &of.authority {
        Some(Material::Data(pem)) => {
            format!("    certificate-authority-data: {}\n", STANDARD.encode(pem))
        }
        Some(Material::File(file)) => format!("    certificate-authority: {}\n", path(file)),
        None => String::new(),
    };
    let insecure = match of.insecure {
        true => "    insecure-skip-tls-verify: true\n",
        false => "",
    };
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: default-cluster
  cluster:
{authority}{insecure}    server: {server}
contexts:
- name: default-context
  context:
    cluster: default-cluster
    namespace: default
    user: default-auth
current-context: default-context
users:
- name: default-auth
  user:
    client-certificate: {certificate}
    client-key: {certificate}
",
        server = quoted(&of.server),
        certificate = path(certificate),
    )
}
