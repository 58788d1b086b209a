//! The configuration as `crictl info` shows it, in containerd's words. Pure.
#![deny(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::config::NetworkConfig;
use super::invocation::INTERFACE;

/// The value of `cniconfig`.
pub(super) fn describe(
    conf_dir: &Path,
    bin_dirs: &[PathBuf],
    network: Option<&NetworkConfig>,
) -> Value {
    let networks: Vec<Value> = network.map(one).into_iter().collect();
    json!({
        "PluginDirs": bin_dirs,
        "PluginConfDir": conf_dir,
        "PluginMaxConfNum": 1,
        "Prefix": "eth",
        "Networks": networks,
    })
}

fn one(network: &NetworkConfig) -> Value {
    let plugins: Vec<Value> = network
        .plugins
        .iter()
        .map(|plugin| {
            let source = Value::Object(plugin.source.clone());
            json!({ "Network": source, "Source": source.to_string() })
        })
        .collect();
    json!({
        "Config": {
            "Name": network.name,
            "CNIVersion": network.version.as_str(),
            "Plugins": plugins,
            "Source": network.text,
        },
        "IFName": INTERFACE,
    })
}
