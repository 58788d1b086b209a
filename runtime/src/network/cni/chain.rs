//! One verb through the plugins of a network: ADD, CHECK, STATUS and GC in the order of the chain,
//! DEL from its end.

use serde_json::{Value, json};

use super::answer;
use super::attachment::Attachment;
use super::config::{NetworkConfig, Object, PluginConfig};
use super::error::CniError;
use super::invocation::{Verb, configuration};
use super::plugin::{Limit, PluginError, Plugins};
use crate::failpoint;

/// Attaches a pod; the result is the last plugin's. `keep` is given that of each of them, before the
/// next one is called.
pub(super) fn add(
    plugins: &Plugins,
    network: &NetworkConfig,
    attachment: &Attachment,
    limit: Limit,
    mut keep: impl FnMut(&Value) -> Result<(), CniError>,
) -> Result<Value, CniError> {
    let netns = attachment.pause.netns_path();
    let target = attachment.target(&netns);
    let mut result = None;
    for plugin in &network.plugins {
        let failed = |source| failed(Verb::Add, network, plugin, source);
        let config = configuration(network, plugin, &attachment.values, result.as_ref());
        let stdout = plugins
            .call(&plugin.kind, Verb::Add, Some(target), &config, limit)
            .map_err(failed)?;
        failpoint::reach("cni_add.plugin");
        let answer = answer::result(&stdout, network.version);
        let answer = answer.map_err(|error| failed(error.into()))?;
        keep(&answer)?;
        result = Some(answer);
    }
    Ok(result.expect("a chain is never empty"))
}

/// Detaches a pod. Every plugin is asked, whatever the others say; the first error is returned.
pub(super) fn del(
    plugins: &Plugins,
    network: &NetworkConfig,
    attachment: &Attachment,
    netns: &str,
    limit: Limit,
) -> Result<(), CniError> {
    let target = attachment.target(netns);
    // Before 0.4.0 a plugin was not told what ADD had come to.
    let result = attachment.known();
    let result = result.filter(|_| network.version.has_check());
    let mut outcome = Ok(());
    for plugin in network.plugins.iter().rev() {
        let config = configuration(network, plugin, &attachment.values, result);
        let deleted = plugins.call(&plugin.kind, Verb::Del, Some(target), &config, limit);
        failpoint::reach("cni_del.plugin");
        if let Err(source) = deleted {
            outcome = outcome.and(Err(failed(Verb::Del, network, plugin, source)));
        }
    }
    outcome
}

/// Looks whether a pod is still attached as it was.
pub(super) fn check(
    plugins: &Plugins,
    network: &NetworkConfig,
    attachment: &Attachment,
    limit: Limit,
) -> Result<(), CniError> {
    let netns = attachment.pause.netns_path();
    let target = attachment.target(&netns);
    let result = attachment.result.as_ref();
    for plugin in &network.plugins {
        let config = configuration(network, plugin, &attachment.values, result);
        plugins
            .call(&plugin.kind, Verb::Check, Some(target), &config, limit)
            .map_err(|source| failed(Verb::Check, network, plugin, source))?;
    }
    Ok(())
}

/// Asks whether pods can be attached.
pub(super) fn status(
    plugins: &Plugins,
    network: &NetworkConfig,
    limit: Limit,
) -> Result<(), CniError> {
    for plugin in &network.plugins {
        let config = configuration(network, plugin, &Object::new(), None);
        plugins
            .call(&plugin.kind, Verb::Status, None, &config, limit)
            .map_err(|source| failed(Verb::Status, network, plugin, source))?;
    }
    Ok(())
}

/// Has everything removed but the attachments that are valid. Every plugin is asked.
pub(super) fn gc(
    plugins: &Plugins,
    network: &NetworkConfig,
    valid: &Value,
    limit: Limit,
) -> Result<(), CniError> {
    let mut outcome = Ok(());
    for plugin in &network.plugins {
        let mut config = configuration(network, plugin, &Object::new(), None);
        config.insert("cni.dev/valid-attachments".to_owned(), valid.clone());
        // What the specification called it at first.
        config.insert("cni.dev/attachments".to_owned(), valid.clone());
        if let Err(source) = plugins.call(&plugin.kind, Verb::Gc, None, &config, limit) {
            outcome = outcome.and(Err(failed(Verb::Gc, network, plugin, source)));
        }
    }
    outcome
}

/// Asks each plugin whether it speaks the network's version.
pub(super) fn speaks(
    plugins: &Plugins,
    network: &NetworkConfig,
    plugin: &PluginConfig,
    limit: Limit,
) -> Result<(), CniError> {
    let failed = |source| failed(Verb::Version, network, plugin, source);
    let mut config = Object::new();
    config.insert("cniVersion".to_owned(), json!(network.version.as_str()));
    let stdout = plugins.call(&plugin.kind, Verb::Version, None, &config, limit);
    let versions = stdout.and_then(|stdout| Ok(answer::versions(&stdout)?));
    let versions = versions.map_err(failed)?;
    if versions.contains(network.version.as_str()) {
        return Ok(());
    }
    Err(CniError::Version {
        network: network.name.clone(),
        file: network.file.clone(),
        version: network.version.to_string(),
        plugin: plugin.kind.clone(),
        spoken: versions.into_iter().collect::<Vec<_>>().join(", "),
    })
}

fn failed(
    verb: Verb,
    network: &NetworkConfig,
    plugin: &PluginConfig,
    source: PluginError,
) -> CniError {
    CniError::Plugin {
        verb,
        network: network.name.clone(),
        plugin: plugin.kind.clone(),
        source,
    }
}
