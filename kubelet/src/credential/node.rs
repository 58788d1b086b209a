//! The logins of the node: docker's own files.

use std::path::{Path, PathBuf};

use super::docker_config::{ConfigError, DockerConfig, read_cfg, read_json};

/// Where docker's files may lie; the first that can be read counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerFiles {
    /// In the form of `config.json`; these go first.
    json: Vec<PathBuf>,
    /// In the form of `.dockercfg`.
    cfg: Vec<PathBuf>,
}

impl DockerFiles {
    /// Those below the kubelet's own directory, and then those of the machine, if it is its kubelet:
    /// in `home` and at the top.
    pub fn new(root: &Path, home: Option<&Path>) -> Self {
        let homes: Vec<_> = home
            .into_iter()
            .chain(home.map(|_| Path::new("/")))
            .collect();
        let below = |name: &str| {
            homes
                .iter()
                .map(move |home| home.join(name))
                .collect::<Vec<_>>()
        };
        Self {
            json: [vec![root.join("config.json")], below(".docker/config.json")].concat(),
            cfg: [vec![root.join(".dockercfg")], below(".dockercfg")].concat(),
        }
    }

    /// The logins of the first file that can be read. They are read anew each time: what somebody logs
    /// in to is known at once.
    pub(super) fn read(&self) -> DockerConfig {
        let json = self.json.iter().find_map(|path| read(path, read_json));
        json.or_else(|| self.cfg.iter().find_map(|path| read(path, read_cfg)))
            .unwrap_or_default()
    }
}

fn read(
    path: &Path,
    parse: impl Fn(&[u8]) -> Result<DockerConfig, ConfigError>,
) -> Option<DockerConfig> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot read the node's logins");
            return None;
        }
    };
    match parse(&bytes) {
        Ok(config) => Some(config),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot read the node's logins");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_that_can_be_read_counts() {
        let root = tempfile::TempDir::new().unwrap();
        let home = root.path().join("home");
        std::fs::create_dir_all(home.join(".docker")).unwrap();
        let files = DockerFiles::new(root.path(), Some(&home));
        let registries = || files.read().into_keys().collect::<Vec<_>>();
        let write = |name: &str, text: &str| std::fs::write(root.path().join(name), text).unwrap();
        write("home/.dockercfg", r#"{"cfg": {"username": "a"}}"#);
        assert_eq!(registries(), ["cfg"]);
        write("home/.docker/config.json", r#"{"auths": {"json": {}}}"#);
        assert_eq!(registries(), ["json"]);
        write("config.json", "{broken");
        assert_eq!(registries(), ["json"]);
        write("config.json", r#"{"auths": {"own": {}}}"#);
        assert_eq!(registries(), ["own"]);
    }
}
