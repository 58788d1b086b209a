//! Where the images of a registry are fetched from: containerd's `certs.d`.
//!
//! ```text
//! certs.d/HOST_PORT_/hosts.toml   ┐ the first directory that is there counts
//! certs.d/HOST/hosts.toml         │ parse: P
//! certs.d/_default/hosts.toml     ┘
//! certs.d/HOST/*.crt, *.cert      without hosts.toml: certificates, as docker has them
//! ```
//!
//! Read anew for each pull, so that nothing has to be restarted.

mod certificates;
mod parse;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(super) use self::parse::{Capabilities, Endpoint, Tls};
use super::credentials::Role;
use super::settings::RegistrySettings;

/// Why it cannot be said where images are fetched from.
#[derive(Debug, thiserror::Error)]
pub enum HostsError {
    /// A file or directory cannot be read.
    #[error("cannot read {path:?}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not TOML of the right shape.
    #[error("cannot understand {path:?}")]
    Toml {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: toml::de::Error,
    },
    /// A value makes no sense.
    #[error("{path:?}: {what}")]
    Value {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// The endpoints of a registry in the order in which they are asked; the registry itself comes last.
pub(super) fn endpoints(
    settings: &RegistrySettings,
    registry: &str,
) -> Result<Vec<Endpoint>, HostsError> {
    let default = Endpoint::of_registry(settings, registry);
    let Some(dir) = directory(&settings.certs_dirs, registry) else {
        return Ok(vec![default]);
    };
    let path = dir.join("hosts.toml");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let tls = certificates::find(&dir)?;
            return Ok(vec![Endpoint { tls, ..default }]);
        }
        Err(source) => return Err(HostsError::Read { path, source }),
    };
    parse::parse(&text, &path, default)
}

/// The directory of a registry below the first root that is there.
fn directory(roots: &[PathBuf], registry: &str) -> Option<PathBuf> {
    let root = roots.iter().find(|root| root.is_dir())?;
    let names = names(registry).into_iter();
    names.map(|name| root.join(name)).find(|path| path.is_dir())
}

/// `host:port` is written as `host_port_`, because some file systems have no colons.
fn names(registry: &str) -> Vec<String> {
    let mut names = Vec::new();
    if let Some((host, port)) = registry.rsplit_once(':') {
        names.push(format!("{host}_{port}_"));
    }
    names.push(registry.to_owned());
    names.push("_default".to_owned());
    names
}

impl Endpoint {
    /// The registry itself, without any configuration.
    fn of_registry(settings: &RegistrySettings, registry: &str) -> Self {
        let base = settings.base_url(registry);
        let host = base.split_once("://").map_or("", |(_, host)| host);
        Self {
            host: host.to_owned(),
            base: format!("{base}/v2"),
            role: Role::Registry,
            capabilities: Capabilities::default(),
            tls: Tls::default(),
            headers: Vec::new(),
            dial_timeout: None,
        }
    }
}

/// What `path` means in a file of `dir`.
fn resolved(dir: &Path, path: &str) -> PathBuf {
    dir.join(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_of_a_port_comes_before_that_of_the_host_and_the_default_last() {
        let root = tempfile::tempdir().unwrap();
        let roots = [root.path().join("absent"), root.path().join("certs.d")];
        assert_eq!(directory(&roots, "r.io:5000"), None);
        let at = |name: &str| roots[1].join(name);
        for name in ["_default", "r.io:5000", "r.io_5000_"] {
            fs::create_dir_all(at(name)).unwrap();
            assert_eq!(directory(&roots, "r.io:5000"), Some(at(name)));
        }
        assert_eq!(directory(&roots, "other.io"), Some(at("_default")));
    }

    #[test]
    fn without_a_file_the_registry_itself_is_asked() {
        let root = tempfile::tempdir().unwrap();
        let settings = RegistrySettings {
            certs_dirs: vec![root.path().to_owned()],
            ..RegistrySettings::default()
        };
        fs::create_dir(root.path().join("r.io")).unwrap();
        fs::write(root.path().join("r.io/ca.crt"), "pem").unwrap();
        let found = endpoints(&settings, "r.io").unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].base, "https://r.io/v2");
        assert_eq!(found[0].tls.authorities, [root.path().join("r.io/ca.crt")]);
        let hub = endpoints(&settings, "docker.io").unwrap();
        assert_eq!(hub[0].base, "https://registry-1.docker.io/v2");
    }
}
