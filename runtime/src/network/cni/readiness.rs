//! Whether pods can be attached now: the configuration, the plugins' programs, the versions that
//! they speak, and what they say themselves.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::chain;
use super::config::{NetworkConfig, PluginConfig};
use super::error::CniError;
use super::invocation::Verb;
use super::plugin::{Limit, PluginError, Plugins};

/// Programs that were found to speak a version, so that each is asked once.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<BTreeSet<Fact>>);

/// A program, the time and number by which a replaced one is noticed, and a version.
type Fact = (PathBuf, i64, i64, u64, &'static str);

/// Looks whether the whole chain can be used.
pub(super) fn look(
    plugins: &Plugins,
    known: &Known,
    network: &NetworkConfig,
    limit: Limit,
) -> Result<(), CniError> {
    for plugin in &network.plugins {
        look_at(plugins, known, network, plugin, limit)?;
    }
    if network.version.has_status_and_gc() {
        chain::status(plugins, network, limit)?;
    }
    Ok(())
}

fn look_at(
    plugins: &Plugins,
    known: &Known,
    network: &NetworkConfig,
    plugin: &PluginConfig,
    limit: Limit,
) -> Result<(), CniError> {
    let failed = |source| CniError::Plugin {
        verb: Verb::Version,
        network: network.name.clone(),
        plugin: plugin.kind.clone(),
        source,
    };
    let program = plugins.find(&plugin.kind).map_err(failed)?;
    let fact =
        fact(&program, network).map_err(|source| failed(PluginError::Run { program, source }))?;
    if known.has(&fact) {
        return Ok(());
    }
    chain::speaks(plugins, network, plugin, limit)?;
    known.learn(fact);
    Ok(())
}

fn fact(program: &Path, network: &NetworkConfig) -> std::io::Result<Fact> {
    let file = program.metadata()?;
    Ok((
        program.to_owned(),
        file.mtime(),
        file.mtime_nsec(),
        file.ino(),
        network.version.as_str(),
    ))
}

impl Known {
    fn has(&self, fact: &Fact) -> bool {
        let facts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        facts.contains(fact)
    }

    fn learn(&self, fact: Fact) {
        let mut facts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        facts.retain(|(program, ..)| *program != fact.0);
        facts.insert(fact);
    }
}
