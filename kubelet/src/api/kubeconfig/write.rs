//! The text of the kubeconfig of a node that has, or shall get, a client certificate of its own.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Kubeconfig, Material, Token, User};

/// A kubeconfig for the server of another one, with the certificate and key in a file. Paths are
/// absolute. The names in it are upstream's.
pub(in crate::api) fn write(of: &Kubeconfig, certificate: &Path) -> String {
    let file = Material::File(certificate.to_owned());
    let lines = material("client-certificate", &file) + &material("client-key", &file);
    with_user(of, &lines)
}

/// A kubeconfig that says the same as this one; nothing when that has no login that can be written down.
pub(in crate::api) fn write_login(of: &Kubeconfig) -> Option<String> {
    let lines = match &of.user {
        User {
            certificate: Some((certificate, key)),
            ..
        } => material("client-certificate", certificate) + &material("client-key", key),
        User {
            token: Some(Token::Fixed(token)),
            ..
        } => format!("    token: {}\n", quoted(token)),
        User {
            token: Some(Token::File(file)),
            ..
        } => format!("    tokenFile: {}\n", quoted(&file.display().to_string())),
        _ => return None,
    };
    Some(with_user(of, &lines))
}

fn with_user(of: &Kubeconfig, lines: &str) -> String {
    let authority = of.authority.as_ref();
    let authority =
        authority.map_or_else(String::new, |one| material("certificate-authority", one));
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
{lines}",
        server = quoted(&of.server),
    )
}

fn material(field: &str, of: &Material) -> String {
    match of {
        Material::Data(pem) => format!("    {field}-data: {}\n", STANDARD.encode(pem)),
        Material::File(file) => format!("    {field}: {}\n", quoted(&file.display().to_string())),
    }
}

/// JSON's texts are YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
