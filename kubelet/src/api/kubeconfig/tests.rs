//! Kubeconfigs as they are written, and what is wrong with them.

use std::path::Path;

use super::*;

const GOOD: &str = "
apiVersion: v1
kind: Config
current-context: node
contexts:
- name: other
  context: {cluster: none, user: none}
- name: node
  context: {cluster: home, user: kubelet}
clusters:
- name: home
  cluster:
    server: https://10.0.0.1:6443/
    certificate-authority: pki/ca.crt
users:
- name: kubelet
  user:
    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem
    client-key: /var/lib/kubelet/pki/kubelet-client-current.pem
";

fn read_text(text: &str) -> Result<Kubeconfig, String> {
    read(Path::new("/etc/kubernetes/kubelet.conf"), text).map_err(|error| error.to_string())
}

#[test]
fn the_current_context_counts_and_paths_start_at_the_file() {
    let read = read_text(GOOD).unwrap();
    assert_eq!(read.server, "https://10.0.0.1:6443");
    let authority = Material::File("/etc/kubernetes/pki/ca.crt".into());
    assert_eq!(read.authority, Some(authority));
    let pem = Material::File("/var/lib/kubelet/pki/kubelet-client-current.pem".into());
    assert_eq!(read.user.certificate, Some((pem.clone(), pem)));
}

#[test]
fn a_user_has_a_token_a_file_of_one_or_a_program() {
    let with = |user: &str| {
        let (before, _) = GOOD.split_once("    client-certificate").unwrap();
        read_text(&format!("{before}    {user}\n")).unwrap().user
    };
    assert!(with("token: abc").token == Some(Token::Fixed("abc".to_owned())));
    // The file counts where both stand.
    let file = with("{token: abc, tokenFile: token}").token;
    assert!(file == Some(Token::File("/etc/kubernetes/token".into())));
    let exec = "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./give, args: [a], env: [{name: A, value: b}], interactiveMode: Never}";
    let program = with(exec).program.unwrap();
    assert_eq!(program.command, Path::new("/etc/kubernetes/./give"));
    assert_eq!(program.arguments, ["a"]);
    assert_eq!(program.environment, [("A".to_owned(), "b".to_owned())]);
}

#[test]
fn what_is_wrong_is_told_with_its_file_and_line() {
    let rows = [
        (
            String::new(),
            ":1: is empty: a kubeconfig names a cluster, a user and a context",
        ),
        (
            GOOD.replace("current-context: node", ""),
            ":1: current-context is missing: it names which of the contexts counts",
        ),
        (
            GOOD.replace("current-context: node", "current-context: gone"),
            ":5: contexts has none with the name \"gone\"",
        ),
        (
            GOOD.replace("https://", "ftp://"),
            ":13: server \"ftp://10.0.0.1:6443\" is no URL: write https://HOST:PORT",
        ),
        (
            GOOD.replace(
                "certificate-authority: pki/ca.crt",
                "certificate-authority-data: '*'",
            ),
            ":14: certificate-authority-data is no base64: Invalid symbol 42, offset 0.",
        ),
        (
            GOOD.replace("    client-key:", "    other:"),
            ":18: client-key is missing beside client-certificate",
        ),
        (
            GOOD.replace(
                "client-certificate: /var",
                "exec: {apiVersion: v9, command: x} #",
            ),
            ":18: exec.apiVersion \"v9\" is not one of client.authentication.k8s.io/v1, client.authentication.k8s.io/v1beta1",
        ),
    ];
    for (text, expected) in rows {
        let text = if expected.contains("exec.") {
            text.replace("    client-key:", "    other:")
        } else {
            text
        };
        let error = read_text(&text).unwrap_err();
        assert_eq!(error, format!("/etc/kubernetes/kubelet.conf{expected}"));
    }
}

#[test]
fn secrets_are_not_printed() {
    let read = read_text(
        &GOOD
            .replace("client-certificate:", "token: hunter2\n    x:")
            .replace("client-key", "y"),
    )
    .unwrap();
    assert!(!format!("{read:?}").contains("hunter2"));
}
