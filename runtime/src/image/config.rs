//! The configuration of an image, in our own types.
#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::platform::Platform;

/// What an image says about the process it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// Program and first arguments.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// Arguments after the entrypoint.
    #[serde(default)]
    pub cmd: Vec<String>,
    /// `NAME=value` lines.
    #[serde(default)]
    pub env: Vec<String>,
    /// Working directory; empty is `/`.
    #[serde(default)]
    pub working_dir: String,
    /// `user[:group]`, by name or number; empty is root.
    #[serde(default)]
    pub user: String,
    /// Signal that asks the process to stop; empty is SIGTERM.
    #[serde(default)]
    pub stop_signal: String,
    /// Paths that are meant to hold data.
    #[serde(default)]
    pub volumes: BTreeSet<String>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `port/protocol` the process listens on.
    #[serde(default)]
    pub exposed_ports: BTreeSet<String>,
}

/// The user part of an image's `user`, as CRI reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageUser {
    /// Nothing said: root.
    Unset,
    /// By number.
    Uid(u32),
    /// By name.
    Name(String),
}

/// Why an image's user cannot be one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the image's user {0:?} is neither a name nor a number up to 2147483647")]
pub struct InvalidUser(pub String);

impl ImageConfig {
    /// The user, without the group. A number that is too large is an error, never a name: taken for
    /// a name, or cut to 32 bits, it could become root.
    pub fn user(&self) -> Result<ImageUser, InvalidUser> {
        let user = self.user.split(':').next().unwrap_or_default();
        let looks_numeric =
            user.starts_with(['+', '-']) || user.starts_with(|c: char| c.is_ascii_digit());
        match user.parse::<u32>() {
            _ if self.user.is_empty() => Ok(ImageUser::Unset),
            Ok(uid) if uid <= i32::MAX as u32 && user.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(ImageUser::Uid(uid))
            }
            Err(_) if !looks_numeric && !user.is_empty() => Ok(ImageUser::Name(user.to_owned())),
            _ => Err(InvalidUser(self.user.clone())),
        }
    }
}

/// A whole configuration document.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigDocument {
    /// What the process is.
    pub config: ImageConfig,
    /// What it runs on.
    pub platform: Platform,
    /// Digests of the layers' uncompressed archives, bottom first.
    pub diff_ids: Vec<Digest>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    config: Option<RawProcess>,
    #[serde(flatten)]
    platform: Platform,
    rootfs: RawRootfs,
}

#[derive(Deserialize)]
struct RawRootfs {
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RawProcess {
    user: Option<String>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    volumes: Option<BTreeMap<String, serde_json::Value>>,
    working_dir: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    stop_signal: Option<String>,
}

/// Reads a configuration document.
pub fn parse(document: &[u8]) -> Result<ConfigDocument, serde_json::Error> {
    let raw: Raw = serde_json::from_slice(document)?;
    let process = raw.config.unwrap_or_default();
    Ok(ConfigDocument {
        config: ImageConfig {
            entrypoint: process.entrypoint.unwrap_or_default(),
            cmd: process.cmd.unwrap_or_default(),
            env: process.env.unwrap_or_default(),
            working_dir: process.working_dir.unwrap_or_default(),
            user: process.user.unwrap_or_default(),
            stop_signal: process.stop_signal.unwrap_or_default(),
            volumes: process.volumes.unwrap_or_default().into_keys().collect(),
            labels: process.labels.unwrap_or_default(),
            exposed_ports: process
                .exposed_ports
                .unwrap_or_default()
                .into_keys()
                .collect(),
        },
        platform: raw.platform,
        diff_ids: raw.rootfs.diff_ids.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docker_configuration_with_nulls_is_read() {
        let document = br#"{"architecture":"amd64","os":"linux","config":{"User":"app","Env":["A=b"],
            "Entrypoint":null,"Cmd":["sh"],"Volumes":{"/data":{}},"WorkingDir":"/srv","Labels":null,
            "ExposedPorts":{"80/tcp":{}},"StopSignal":"SIGQUIT"},"rootfs":{"type":"layers","diff_ids":null}}"#;
        let parsed = parse(document).unwrap();
        assert_eq!(parsed.config.cmd, ["sh"]);
        assert_eq!(parsed.config.volumes.iter().collect::<Vec<_>>(), ["/data"]);
        assert_eq!(parsed.config.stop_signal, "SIGQUIT");
        assert_eq!(parsed.platform.architecture, "amd64");
        assert_eq!(parsed.diff_ids, []);
    }

    #[test]
    fn a_user_is_a_name_or_a_number_and_nothing_in_between() {
        let user = |text: &str| {
            ImageConfig {
                user: text.into(),
                ..Default::default()
            }
            .user()
        };
        assert_eq!(user(""), Ok(ImageUser::Unset));
        assert_eq!(user("0"), Ok(ImageUser::Uid(0)));
        assert_eq!(user("65535:65535"), Ok(ImageUser::Uid(65535)));
        assert_eq!(user("nginx:www"), Ok(ImageUser::Name("nginx".into())));
        for text in [
            "2147483648",
            "4294967296",
            "100000000000000000000",
            "0x0",
            "-1",
            "+1",
            ":0",
        ] {
            assert_eq!(user(text), Err(InvalidUser(text.into())));
        }
    }
}
