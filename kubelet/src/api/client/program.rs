//! Programs that give credentials: `exec` of a kubeconfig.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use super::login::{Shown, bearer, bytes};
use crate::api::kubeconfig::{Kubeconfig, Program};

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a program gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    /// It does not start.
    #[error("cannot run {}{}", command.display(), hinted(hint))]
    Start {
        /// Which.
        command: PathBuf,
        /// What people do who lack it.
        hint: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It does not end.
    #[error("{} gave no credentials within {PATIENCE:?}", .0.display())]
    Late(PathBuf),
    /// It fails.
    #[error("{} gave no credentials: {status}: {said}", command.display())]
    Failed {
        /// Which.
        command: PathBuf,
        /// How it ended.
        status: String,
        /// What it said about it.
        said: String,
    },
    /// What it says is no ExecCredential.
    #[error("{} gave no credentials: {message}", command.display())]
    Nonsense {
        /// Which.
        command: PathBuf,
        /// What is wrong.
        message: String,
    },
}

fn hinted(hint: &str) -> String {
    match hint {
        "" => String::new(),
        hint => format!(" ({})", hint.trim()),
    }
}

/// What a program gave.
pub(super) struct Given {
    pub(super) shown: Shown,
    expires: Option<Timestamp>,
}

impl Given {
    /// Whether it counts no more.
    pub(super) fn has_expired(&self) -> bool {
        self.expires
            .is_some_and(|expires| expires <= Timestamp::now())
    }
}

/// Runs the program.
pub(super) async fn ask(program: &Program, kubeconfig: &Kubeconfig) -> Result<Given, ProgramError> {
    let told = told(program, kubeconfig);
    let mut command = Command::new(&program.command);
    command
        .args(&program.arguments)
        .envs(
            program
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .env("KUBERNETES_EXEC_INFO", told.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = match timeout(PATIENCE, command.output()).await {
        Ok(output) => output.map_err(|source| ProgramError::Start {
            command: program.command.clone(),
            hint: program.hint.clone(),
            source,
        })?,
        Err(_) => return Err(ProgramError::Late(program.command.clone())),
    };
    if !output.status.success() {
        return Err(ProgramError::Failed {
            command: program.command.clone(),
            status: output.status.to_string(),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    understand(program, &output.stdout).map_err(|message| ProgramError::Nonsense {
        command: program.command.clone(),
        message,
    })
}

/// What the program is told.
fn told(program: &Program, kubeconfig: &Kubeconfig) -> Value {
    let mut spec = json!({ "interactive": false });
    if program.knows_cluster {
        spec["cluster"] = json!({ "server": kubeconfig.server });
        if kubeconfig.insecure {
            spec["cluster"]["insecure-skip-tls-verify"] = true.into();
        }
        let authority = kubeconfig.authority.as_ref();
        // A file that cannot be read is told of when the server is asked.
        if let Some(authority) = authority.and_then(|material| bytes(material).ok()) {
            spec["cluster"]["certificate-authority-data"] = STANDARD.encode(authority).into();
        }
    }
    json!({ "kind": "ExecCredential", "apiVersion": program.version, "spec": spec })
}

fn understand(program: &Program, said: &[u8]) -> Result<Given, String> {
    let said: Value = serde_json::from_slice(said).map_err(|error| error.to_string())?;
    if said["kind"] != "ExecCredential" || said["apiVersion"] != program.version {
        return Err(format!(
            "it shall say an ExecCredential of {}",
            program.version
        ));
    }
    let text = |field: &str| {
        said["status"][field]
            .as_str()
            .filter(|text| !text.is_empty())
    };
    let pem = match (text("clientCertificateData"), text("clientKeyData")) {
        (Some(certificate), Some(key)) => {
            Some(Arc::new(format!("{certificate}\n{key}").into_bytes()))
        }
        (None, None) => None,
        _ => {
            return Err(
                "a certificate without its key, or a key without its certificate".to_owned(),
            );
        }
    };
    let header = text("token").map(bearer).transpose();
    let header = header.map_err(|error| error.to_string())?;
    if header.is_none() && pem.is_none() {
        return Err("neither a token nor a certificate".to_owned());
    }
    let expires = text("expirationTimestamp")
        .map(str::parse::<Timestamp>)
        .transpose();
    Ok(Given {
        shown: Shown { header, pem },
        expires: expires.map_err(|error| error.to_string())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kubeconfig::User;

    fn program(script: &str) -> Program {
        Program {
            command: "/bin/sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: vec![("WORD".to_owned(), "abc".to_owned())],
            version: "client.authentication.k8s.io/v1".to_owned(),
            knows_cluster: true,
            hint: "install it".to_owned(),
        }
    }

    fn kubeconfig() -> Kubeconfig {
        Kubeconfig {
            server: "https://host:1".to_owned(),
            authority: None,
            insecure: false,
            user: User::default(),
        }
    }

    #[tokio::test]
    async fn a_program_is_told_of_the_server_and_gives_a_token_until_it_expires() {
        let script = r#"echo "$KUBERNETES_EXEC_INFO" | grep -q '"server":"https://host:1"' || exit 3
            printf '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"%s","expirationTimestamp":"2020-01-01T00:00:00Z"}}' $WORD"#;
        let given = ask(&program(script), &kubeconfig()).await.unwrap();
        assert_eq!(given.shown.header.as_ref().unwrap(), "Bearer abc");
        assert!(given.has_expired());
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_program_is_told() {
        for (script, expected) in [
            (
                "echo no >&2; exit 1",
                "/bin/sh gave no credentials: exit status: 1: no",
            ),
            (
                r#"echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{}}'"#,
                "/bin/sh gave no credentials: neither a token nor a certificate",
            ),
        ] {
            let error = ask(&program(script), &kubeconfig()).await.err().unwrap();
            assert_eq!(error.to_string(), expected);
        }
        let missing = Program {
            command: "/not/there".into(),
            ..program("")
        };
        let error = ask(&missing, &kubeconfig()).await.err().unwrap();
        assert_eq!(error.to_string(), "cannot run /not/there (install it)");
    }
}
