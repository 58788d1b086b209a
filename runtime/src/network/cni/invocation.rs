//! What a plugin is given: the environment that names the verb and the pod, and the configuration
//! on its stdin. Pure.
#![deny(clippy::disallowed_methods)]

use serde_json::{Value, json};

use super::config::{NetworkConfig, Object, PluginConfig};

/// The interface that pods get.
pub(super) const INTERFACE: &str = "eth0";
/// Where plugins find programs such as iptables.
const PROGRAMS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a plugin is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Attach a pod.
    Add,
    /// Detach it.
    Del,
    /// Look whether it is still attached.
    Check,
    /// Say whether pods can be attached.
    Status,
    /// Clean up after pods that are gone.
    Gc,
    /// Say which versions it speaks.
    Version,
}

impl Verb {
    /// The value of `CNI_COMMAND`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Status => "STATUS",
            Self::Gc => "GC",
            Self::Version => "VERSION",
        }
    }
}

/// Which pod a verb is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    /// Id of its sandbox.
    pub(super) container: &'a str,
    /// Path to its network namespace; empty when that is gone.
    pub(super) netns: &'a str,
    /// `CNI_ARGS`.
    pub(super) arguments: &'a str,
}

/// The whole environment of a plugin. Verbs about no pod are given an interface and a namespace all
/// the same for VERSION: plugins built long ago insist.
pub(super) fn environment(
    verb: Verb,
    target: Option<Target<'_>>,
    path: &str,
) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("PATH", PROGRAMS.to_owned()),
        ("CNI_COMMAND", verb.as_str().to_owned()),
        ("CNI_PATH", path.to_owned()),
    ];
    if let Some(target) = target {
        all.extend([
            ("CNI_CONTAINERID", target.container.to_owned()),
            ("CNI_NETNS", target.netns.to_owned()),
            ("CNI_IFNAME", INTERFACE.to_owned()),
            ("CNI_ARGS", target.arguments.to_owned()),
        ]);
    } else if verb == Verb::Version {
        all.extend([
            ("CNI_CONTAINERID", "none".to_owned()),
            ("CNI_NETNS", "none".to_owned()),
            ("CNI_IFNAME", "none".to_owned()),
        ]);
    }
    all
}

/// A plugin's part of the configuration, with the network's name and version, the values of its
/// capabilities, and the result of the plugins before it.
pub(super) fn configuration(
    network: &NetworkConfig,
    plugin: &PluginConfig,
    values: &Object,
    previous: Option<&Value>,
) -> Object {
    let mut config = plugin.source.clone();
    // Which capabilities it has is the runtime's affair alone.
    config.remove("capabilities");
    config.insert("name".to_owned(), json!(network.name));
    config.insert("cniVersion".to_owned(), json!(network.version.as_str()));
    let wanted: Object = values
        .iter()
        .filter(|(capability, _)| plugin.capabilities.contains(*capability))
        .map(|(capability, value)| (capability.clone(), value.clone()))
        .collect();
    if !wanted.is_empty() {
        config.insert("runtimeConfig".to_owned(), Value::Object(wanted));
    }
    if let Some(previous) = previous {
        config.insert("prevResult".to_owned(), previous.clone());
    }
    config
}

/// What GC is told besides: the attachments that are to stay.
pub(super) fn valid_attachments<'a>(containers: impl Iterator<Item = &'a str>) -> Value {
    containers
        .map(|container| json!({ "containerID": container, "ifname": INTERFACE }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::cni::config::parse;

    const LIST: &str = r#"{"cniVersion": "1.0.0", "name": "net", "plugins": [
        {"type": "bridge", "mtu": 1400},
        {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}]}"#;

    #[test]
    fn each_plugin_gets_its_own_part_its_own_values_and_the_result_so_far() {
        let network = parse("n.conflist", LIST).unwrap();
        let values: Object =
            serde_json::from_str(r#"{"portMappings": [1], "aliases": ["a"]}"#).unwrap();
        let first = configuration(&network, &network.plugins[0], &values, None);
        assert_eq!(
            Value::Object(first),
            json!({"type": "bridge", "mtu": 1400, "name": "net", "cniVersion": "1.0.0"})
        );
        let result = json!({"ips": []});
        let second = configuration(&network, &network.plugins[1], &values, Some(&result));
        assert_eq!(
            Value::Object(second),
            json!({"type": "portmap", "snat": true, "name": "net", "cniVersion": "1.0.0",
                   "runtimeConfig": {"portMappings": [1]}, "prevResult": {"ips": []}})
        );
    }

    #[test]
    fn a_plugin_sees_nothing_of_the_daemons_environment() {
        let target = Target {
            container: "c",
            netns: "/proc/1/ns/net",
            arguments: "A=1",
        };
        let names: Vec<_> = environment(Verb::Add, Some(target), "/bin")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(
            names,
            [
                "PATH",
                "CNI_COMMAND",
                "CNI_PATH",
                "CNI_CONTAINERID",
                "CNI_NETNS",
                "CNI_IFNAME",
                "CNI_ARGS"
            ]
        );
    }
}
