//! From the text of a kubeconfig to what it says.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Kubeconfig, KubeconfigError, Material, Program, Token, User};
use crate::yaml::{Node, Value, documents};

/// A line, and what is wrong there.
type Fault = (u64, String);

/// Reads the current context of a kubeconfig.
pub(in crate::api) fn read(file: &Path, text: &str) -> Result<Kubeconfig, KubeconfigError> {
    let directory = file.parent().unwrap_or(Path::new("/"));
    understand(text, directory).map_err(|(line, message)| KubeconfigError {
        file: file.to_owned(),
        line,
        message,
    })
}

/// Reads what a kubeconfig says of a cluster: its current context, or its only cluster.
pub(in crate::api) fn read_cluster(file: &Path, text: &str) -> Result<Kubeconfig, KubeconfigError> {
    let directory = file.parent().unwrap_or(Path::new("/"));
    let read = top_of(text).and_then(|top| {
        let reader = Reader {
            top: &top,
            directory,
        };
        let only = match list(&top, "clusters") {
            [only] if text_of(&top, "current-context")?.is_none() => only.get("cluster"),
            _ => None,
        };
        match only {
            Some(cluster) => reader.kubeconfig(cluster, User::default()),
            None => reader.current(),
        }
    });
    read.map_err(|(line, message)| KubeconfigError {
        file: file.to_owned(),
        line,
        message,
    })
}

fn understand(text: &str, directory: &Path) -> Result<Kubeconfig, Fault> {
    let top = top_of(text)?;
    let reader = Reader {
        top: &top,
        directory,
    };
    reader.current()
}

fn top_of(text: &str) -> Result<Node, Fault> {
    let mut trees = Vec::new();
    for document in documents(text) {
        let tree = document.tree();
        trees.extend(tree.map_err(|refusal| (refusal.line, refusal.message))?);
    }
    match (trees.len(), trees.pop()) {
        (1, Some(top)) => Ok(top),
        (0, _) => {
            let message = "is empty: a kubeconfig names a cluster, a user and a context";
            Err((1, message.to_owned()))
        }
        _ => Err((1, "has several documents: a kubeconfig is one".to_owned())),
    }
}

/// Reads one file.
struct Reader<'a> {
    top: &'a Node,
    directory: &'a Path,
}

impl<'a> Reader<'a> {
    fn current(&self) -> Result<Kubeconfig, Fault> {
        let context = self.context()?;
        let cluster = self.named("clusters", "cluster", required(context, "cluster")?)?;
        let user = match text_of(context, "user")? {
            Some(name) => self.user(self.named("users", "user", name)?)?,
            None => User::default(),
        };
        self.kubeconfig(cluster, user)
    }

    fn kubeconfig(&self, cluster: &Node, user: User) -> Result<Kubeconfig, Fault> {
        let server = required(cluster, "server")?.trim_end_matches('/');
        if !(server.starts_with("https://") || server.starts_with("http://")) {
            let line = cluster.line_of("server");
            let message = format!("server {server:?} is no URL: write https://HOST:PORT");
            return Err((line, message));
        }
        if let Some(name) = text_of(cluster, "tls-server-name")? {
            let message = format!(
                "tls-server-name {name:?} is not supported: let server be a name or an address that is \
             in the server's certificate"
            );
            return Err((cluster.line_of("tls-server-name"), message));
        }
        Ok(Kubeconfig {
            server: server.to_owned(),
            authority: self.material(cluster, "certificate-authority")?,
            insecure: truth(cluster, "insecure-skip-tls-verify")?,
            user,
        })
    }

    fn context(&self) -> Result<&'a Node, Fault> {
        let name = text_of(self.top, "current-context")?;
        match name.filter(|name| !name.is_empty()) {
            Some(name) => self.named("contexts", "context", name),
            None => {
                let message = "current-context is missing: it names which of the contexts counts";
                Err((1, message.to_owned()))
            }
        }
    }

    /// What an entry of a list holds, known by its name.
    fn named(&self, list: &str, what: &str, name: &str) -> Result<&'a Node, Fault> {
        let entries = match self.top.get(list).map(|node| &node.value) {
            Some(Value::List(entries)) => &entries[..],
            _ => &[],
        };
        let is_it = |entry: &&Node| matches!(text_of(entry, "name"), Ok(Some(it)) if it == name);
        let found = entries.iter().find(is_it);
        found.and_then(|entry| entry.get(what)).ok_or_else(|| {
            let line = self.top.line_of(list);
            (line, format!("{list} has none with the name {name:?}"))
        })
    }

    fn user(&self, user: &Node) -> Result<User, Fault> {
        let certificate = self.material(user, "client-certificate")?;
        let key = self.material(user, "client-key")?;
        let certificate = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => {
                return Err((
                    user.line,
                    "client-key is missing beside client-certificate".to_owned(),
                ));
            }
            (None, Some(_)) => {
                return Err((
                    user.line,
                    "client-certificate is missing beside client-key".to_owned(),
                ));
            }
        };
        let token = match (text_of(user, "tokenFile")?, text_of(user, "token")?) {
            (Some(file), _) => Some(Token::File(self.path(file))),
            (None, Some(token)) => Some(Token::Fixed(token.to_owned())),
            (None, None) => None,
        };
        let basic = text_of(user, "username")?.map(|name| {
            let password = text_of(user, "password").ok().flatten();
            (name.to_owned(), password.unwrap_or_default().to_owned())
        });
        if user.get("auth-provider").is_some() {
            let message =
                "auth-provider is gone from Kubernetes: use exec with the provider's program";
            return Err((user.line_of("auth-provider"), message.to_owned()));
        }
        let program = user
            .get("exec")
            .map(|exec| self.program(exec))
            .transpose()?;
        Ok(User {
            certificate,
            token,
            basic,
            program,
        })
    }

    fn program(&self, exec: &Node) -> Result<Program, Fault> {
        const VERSIONS: [&str; 2] = [
            "client.authentication.k8s.io/v1",
            "client.authentication.k8s.io/v1beta1",
        ];
        let version = required(exec, "apiVersion")?;
        if !VERSIONS.contains(&version) {
            let line = exec.line_of("apiVersion");
            let message = format!(
                "exec.apiVersion {version:?} is not one of {}",
                VERSIONS.join(", ")
            );
            return Err((line, message));
        }
        if text_of(exec, "interactiveMode")? == Some("Always") {
            let message = "exec.interactiveMode Always needs a terminal, and a kubelet has none";
            return Err((exec.line_of("interactiveMode"), message.to_owned()));
        }
        let command = required(exec, "command")?;
        let mut environment = Vec::new();
        for variable in list(exec, "env") {
            let name = required(variable, "name")?.to_owned();
            let value = text_of(variable, "value")?.unwrap_or_default();
            environment.push((name, value.to_owned()));
        }
        let arguments = list(exec, "args")
            .iter()
            .filter_map(|one| match &one.value {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            });
        Ok(Program {
            // A name without a slash is looked for in PATH; other paths start at the kubeconfig.
            command: match command.contains('/') {
                true => self.path(command),
                false => command.into(),
            },
            arguments: arguments.collect(),
            environment,
            version: version.to_owned(),
            knows_cluster: truth(exec, "provideClusterInfo")?,
            hint: text_of(exec, "installHint")?.unwrap_or_default().to_owned(),
        })
    }

    /// PEM under `field-data`, which counts, or in the file under `field`.
    fn material(&self, node: &Node, field: &str) -> Result<Option<Material>, Fault> {
        let of_data = format!("{field}-data");
        if let Some(data) = text_of(node, &of_data)? {
            let compact: String = data.split_whitespace().collect();
            let line = node.line_of(&of_data);
            let decoded = STANDARD.decode(compact);
            let decoded =
                decoded.map_err(|error| (line, format!("{of_data} is no base64: {error}")))?;
            return Ok(Some(Material::Data(decoded)));
        }
        let file = text_of(node, field)?;
        Ok(file.map(|file| Material::File(self.path(file))))
    }

    fn path(&self, text: &str) -> PathBuf {
        self.directory.join(text)
    }
}

fn required<'a>(node: &'a Node, field: &str) -> Result<&'a str, Fault> {
    let text = text_of(node, field)?.filter(|text| !text.is_empty());
    text.ok_or_else(|| (node.line, format!("{field} is missing")))
}

fn text_of<'a>(node: &'a Node, field: &str) -> Result<Option<&'a str>, Fault> {
    match node.get(field).map(|found| (&found.value, found.line)) {
        None | Some((Value::Null, _)) => Ok(None),
        Some((Value::Text(text), _)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some((other, line)) => Err((
            line,
            format!("{field} shall be text, and is {}", other.kind()),
        )),
    }
}

fn truth(node: &Node, field: &str) -> Result<bool, Fault> {
    match node.get(field).map(|found| (&found.value, found.line)) {
        None | Some((Value::Null, _)) => Ok(false),
        Some((Value::Bool(truth), _)) => Ok(*truth),
        Some((other, line)) => Err((
            line,
            format!("{field} shall be true or false, and is {}", other.kind()),
        )),
    }
}

fn list<'a>(node: &'a Node, field: &str) -> &'a [Node] {
    match node.get(field).map(|found| &found.value) {
        Some(Value::List(entries)) => entries,
        _ => &[],
    }
}
