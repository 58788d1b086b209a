//! What plugins write on stdout: results, errors, versions. Pure.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Value, json};

use super::invocation::INTERFACE;
use super::version::Version;

/// A plugin's own word for what went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PluginMessage {
    /// Below 100 the specification's, from 100 on the plugin's own.
    pub code: u32,
    /// What went wrong.
    pub msg: String,
    /// More of it.
    pub details: String,
}

impl std::fmt::Display for PluginMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.msg.as_str() {
            "" => write!(f, "code {}", self.code)?,
            msg => write!(f, "{msg} (code {})", self.code)?,
        }
        match self.details.as_str() {
            "" => Ok(()),
            details => write!(f, ": {details}"),
        }
    }
}

/// Why the answer of a plugin means nothing.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// Not JSON, or of another shape.
    #[error("its answer is not the JSON that the specification has")]
    Json(#[from] serde_json::Error),
    /// A chain has to come to an address.
    #[error("it gives {INTERFACE} no address")]
    NoAddress,
}

/// The error on stdout, if there is one.
pub(super) fn error(stdout: &[u8]) -> Option<PluginMessage> {
    let message: PluginMessage = serde_json::from_slice(stdout).ok()?;
    (message.code != 0 || !message.msg.is_empty()).then_some(message)
}

/// The result of ADD. One that does not say so is of the network's version.
pub(super) fn result(stdout: &[u8], version: Version) -> Result<Value, AnswerError> {
    let mut result: serde_json::Map<String, Value> = serde_json::from_slice(stdout)?;
    let said = result.entry("cniVersion").or_insert(Value::Null);
    if said.as_str().is_none_or(str::is_empty) {
        *said = json!(version.as_str());
    }
    Ok(Value::Object(result))
}

#[derive(Deserialize)]
struct Addresses {
    #[serde(default)]
    interfaces: Option<Vec<Interface>>,
    #[serde(default)]
    ips: Option<Vec<Address>>,
}

#[derive(Deserialize)]
struct Interface {
    name: String,
    #[serde(default)]
    sandbox: Option<String>,
}

#[derive(Deserialize)]
struct Address {
    address: String,
    #[serde(default)]
    interface: Option<usize>,
}

/// The pod's addresses, in the order of the result.
pub(super) fn addresses(result: &Value) -> Result<Vec<IpAddr>, AnswerError> {
    let Addresses { interfaces, ips } = Addresses::deserialize(result)?;
    let interfaces = interfaces.unwrap_or_default();
    let is_pods = |address: &Address| match address.interface.map(|index| interfaces.get(index)) {
        Some(Some(interface)) => {
            interface.name == INTERFACE
                && interface.sandbox.as_deref().is_some_and(|s| !s.is_empty())
        }
        // An address of an interface that nobody describes is the pod's.
        None | Some(None) => true,
    };
    let pods = ips.unwrap_or_default().into_iter().filter(is_pods);
    let addresses: Vec<IpAddr> = pods.filter_map(|ip| without_prefix(&ip.address)).collect();
    if addresses.is_empty() {
        return Err(AnswerError::NoAddress);
    }
    Ok(addresses)
}

fn without_prefix(address: &str) -> Option<IpAddr> {
    let ip = address.split_once('/').map_or(address, |(ip, _)| ip);
    ip.parse().ok()
}

#[derive(Deserialize)]
struct Supported {
    #[serde(rename = "supportedVersions")]
    versions: BTreeSet<String>,
}

/// The versions that a plugin says it speaks.
pub(super) fn versions(stdout: &[u8]) -> Result<BTreeSet<String>, AnswerError> {
    let supported: Supported = serde_json::from_slice(stdout)?;
    Ok(supported.versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pods_addresses_are_those_of_its_own_interface() {
        let result = json!({
            "cniVersion": "1.0.0",
            "interfaces": [
                {"name": "cni0"},
                {"name": "veth1"},
                {"name": "eth0", "sandbox": "/proc/7/ns/net"},
            ],
            "ips": [
                {"address": "10.0.0.1/24", "interface": 0},
                {"address": "fd00::5/64", "interface": 2},
                {"address": "10.0.0.5/24", "interface": 2, "gateway": "10.0.0.1"},
            ],
        });
        let expected: [IpAddr; 2] = ["fd00::5".parse().unwrap(), "10.0.0.5".parse().unwrap()];
        assert_eq!(addresses(&result).unwrap(), expected);
    }

    #[test]
    fn an_address_without_an_interface_is_the_pods_and_none_is_an_error() {
        let result = json!({"ips": [{"version": "4", "address": "10.0.0.5/24"}]});
        assert_eq!(addresses(&result).unwrap().len(), 1);
        for nothing in [json!({}), json!({"ips": []}), json!({"ips": null})] {
            assert!(matches!(addresses(&nothing), Err(AnswerError::NoAddress)));
        }
    }

    #[test]
    fn a_plugins_error_is_told_with_everything_it_says() {
        let said =
            br#"{"cniVersion": "1.0.0", "code": 11, "msg": "no room", "details": "all taken"}"#;
        let message = error(said).unwrap();
        assert_eq!(message.to_string(), "no room (code 11): all taken");
        assert_eq!(error(b"no room"), None);
        assert_eq!(error(b"{}"), None);
    }

    #[test]
    fn a_result_says_which_version_it_has() {
        let said = result(br#"{"ips": []}"#, Version::V0_4_0).unwrap();
        assert_eq!(said["cniVersion"], "0.4.0");
        assert!(result(b"ok\n", Version::V0_4_0).is_err());
    }
}
