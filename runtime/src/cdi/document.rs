//! A file of a vendor, as the CDI specification lays it out.
#![deny(clippy::disallowed_methods)]

use serde::Deserialize;
use serde_json::Value;

use super::name;

/// The versions of the format that are understood.
const VERSIONS: [&str; 9] = [
    "0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0",
];

/// Why a file describes no devices.
#[derive(Debug, thiserror::Error)]
pub(super) enum DocumentError {
    #[error("cannot be understood: {0}")]
    Syntax(String),
    #[error("is of version {0:?}, which is not one of 0.1.0 to 1.0.0")]
    Version(String),
    #[error("is of kind {0:?}, which is no VENDOR/CLASS")]
    Kind(String),
    #[error("describes {0:?}, which is no name of a device")]
    Device(String),
    #[error("describes device {0:?} twice")]
    Twice(String),
    #[error("describes no devices")]
    Empty,
}

/// One file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
    cdi_version: String,
    pub(super) kind: String,
    #[serde(default, rename = "annotations")]
    _annotations: Value,
    #[serde(default)]
    pub(super) container_edits: ContainerEdits,
    #[serde(default)]
    pub(super) devices: Vec<Device>,
}

/// One device of it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Device {
    pub(super) name: String,
    #[serde(default, rename = "annotations")]
    _annotations: Value,
    #[serde(default)]
    pub(super) container_edits: ContainerEdits,
}

/// What a device, or every device of a file, makes of a container.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ContainerEdits {
    pub(super) env: Vec<String>,
    pub(super) device_nodes: Vec<Node>,
    pub(super) net_devices: Vec<Value>,
    pub(super) mounts: Vec<Mount>,
    pub(super) hooks: Vec<Hook>,
    pub(super) intel_rdt: Option<Value>,
    #[serde(rename = "additionalGids")]
    pub(super) additional_gids: Vec<u32>,
}

/// A device node of the container.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Node {
    /// Where in the container.
    pub path: String,
    /// Where on the host; `path` when empty.
    pub host_path: String,
    /// `c`, `u`, `b` or `p`; the host's when empty.
    #[serde(rename = "type")]
    pub kind: String,
    /// Major number; the host's when absent.
    pub major: Option<i64>,
    /// Minor number; the host's when absent.
    pub minor: Option<i64>,
    /// Permission bits; the host's when absent.
    pub file_mode: Option<u32>,
    /// Any of `r`, `w`, `m`; all when empty.
    pub permissions: String,
    /// Owner; the host's when absent.
    pub uid: Option<u32>,
    /// Group; the host's when absent.
    pub gid: Option<u32>,
}

/// A mount of the container.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Mount {
    pub(super) host_path: String,
    pub(super) container_path: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) options: Vec<String>,
}

/// A program to be run beside the container: known by name only, to be refused by it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Hook {
    pub(super) hook_name: String,
    pub(super) path: String,
}

impl Document {
    /// Understands a file; JSON is YAML too.
    pub(super) fn parse(text: &str) -> Result<Self, DocumentError> {
        let document: Self = serde_saphyr::from_str(text)
            .map_err(|error| DocumentError::Syntax(error.to_string()))?;
        document.check()?;
        Ok(document)
    }

    fn check(&self) -> Result<(), DocumentError> {
        let version = self.cdi_version.strip_prefix('v');
        if !VERSIONS.contains(&version.unwrap_or(&self.cdi_version)) {
            return Err(DocumentError::Version(self.cdi_version.clone()));
        }
        if !name::is_kind(&self.kind) {
            return Err(DocumentError::Kind(self.kind.clone()));
        }
        if self.devices.is_empty() {
            return Err(DocumentError::Empty);
        }
        for (index, device) in self.devices.iter().enumerate() {
            if !name::is_device(&device.name) {
                return Err(DocumentError::Device(device.name.clone()));
            }
            if self.devices[..index].iter().any(|d| d.name == device.name) {
                return Err(DocumentError::Twice(device.name.clone()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
cdiVersion: "0.6.0"
kind: vendor.com/device
annotations: {about: "a test"}
containerEdits:
  env: [VENDOR=1]
devices:
  - name: first
    containerEdits:
      deviceNodes:
        - {path: /dev/first, hostPath: /dev/null, type: c, major: 1, minor: 3, fileMode: 438, permissions: rw, uid: 1, gid: 2}
      mounts:
        - {hostPath: /lib/vendor, containerPath: /lib/vendor, options: [ro, nosuid, bind]}
      hooks:
        - {hookName: createContainer, path: /bin/hook, args: [hook, run], timeout: 5}
      additionalGids: [44]
      intelRdt: {closID: fast}
"#;

    #[test]
    fn a_file_is_understood_in_yaml_and_in_json() {
        let document = Document::parse(WHOLE).unwrap();
        let edits = &document.devices[0].container_edits;
        assert_eq!(document.container_edits.env, ["VENDOR=1"]);
        assert_eq!(edits.device_nodes[0].file_mode, Some(0o666));
        assert_eq!(edits.hooks[0].hook_name, "createContainer");
        assert_eq!(edits.additional_gids, [44]);
        let json = r#"{"cdiVersion": "1.0.0", "kind": "v.com/net", "devices": [
            {"name": "eth", "containerEdits": {"env": ["A=b"]}}]}"#;
        assert_eq!(Document::parse(json).unwrap().devices[0].name, "eth");
    }

    #[test]
    fn what_is_no_description_says_why() {
        for (text, why) in [
            ("", "cannot be understood"),
            ("kind: v.com/x", "cannot be understood"),
            (
                "{cdiVersion: 1.0.0, kind: v.com/x, device: []}",
                "cannot be understood",
            ),
            (
                "{cdiVersion: 2.0.0, kind: v.com/x, devices: [{name: a}]}",
                "version \"2.0.0\"",
            ),
            (
                "{cdiVersion: 1.0.0, kind: x, devices: [{name: a}]}",
                "kind \"x\"",
            ),
            ("{cdiVersion: 1.0.0, kind: v.com/x}", "no devices"),
            (
                "{cdiVersion: 1.0.0, kind: v.com/x, devices: [{name: '..'}]}",
                "\"..\"",
            ),
            (
                "{cdiVersion: 1.0.0, kind: v.com/x, devices: [{name: a}, {name: a}]}",
                "twice",
            ),
        ] {
            let error = Document::parse(text).expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
