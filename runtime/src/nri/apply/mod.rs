//! What plugins want of a container, carried out on its request and on its spec.
//!
//! ```text
//! limits, CDI devices, OOM score ─► request ─► spec composed anew ─┐
//! everything else ─────────────────────────────────────────────────┴─► spec
//! ```
//!
//! What cannot be carried out is refused by name: a container that lacks what a plugin has given it
//! would fail in ways that nobody can read.
#![deny(clippy::disallowed_methods)]

mod linux;
mod mounts;
mod process;
mod request;
#[cfg(test)]
mod tests;

use oci_spec::runtime::Spec;
use podling_proto::nri as wire;

pub(super) use request::limits;

use crate::model::ContainerConfig;
use crate::spec::SpecError;

/// What plugins want that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum AdjustError {
    /// It is not carried out here.
    #[error("NRI plugins set {what}: {why}")]
    Refused {
        /// What.
        what: String,
        /// Why not.
        why: String,
    },
    /// It makes no sense.
    #[error("NRI plugins set {what}")]
    Senseless {
        /// What.
        what: String,
        /// Why not.
        source: SpecError,
    },
}

pub(super) fn refused(what: impl Into<String>, why: impl Into<String>) -> AdjustError {
    AdjustError::Refused {
        what: what.into(),
        why: why.into(),
    }
}

/// What all plugins want of a container that is being made.
#[derive(Clone, Debug)]
pub struct Adjustment(pub(super) wire::ContainerAdjustment);

impl Adjustment {
    /// Whether nobody wants anything.
    pub fn is_empty(&self) -> bool {
        let empty = wire::ContainerAdjustment::default();
        let linux = self.0.linux.as_ref();
        let only_linux = wire::ContainerAdjustment {
            linux: self.0.linux.clone(),
            ..empty
        };
        let is_empty =
            linux.is_none_or(|linux| *linux == wire::LinuxContainerAdjustment::default());
        self.0 == only_linux && is_empty
    }

    /// Carries out what the spec is composed from.
    pub fn change_request(&self, config: &mut ContainerConfig) -> Result<(), AdjustError> {
        request::change(config, &self.0)
    }

    /// Carries out the rest, on the spec that was composed from the changed request.
    pub fn change_spec(&self, spec: &mut Spec) -> Result<(), AdjustError> {
        let Self(wanted) = self;
        if wanted
            .hooks
            .as_ref()
            .is_some_and(|hooks| *hooks != wire::Hooks::default())
        {
            return Err(refused("OCI hooks", "hooks are not run"));
        }
        annotations(spec, wanted);
        process::change(spec, wanted)?;
        if let Some(linux) = &wanted.linux {
            linux::change(spec, linux)?;
        }
        mounts::change(spec, &wanted.mounts)
    }
}

fn annotations(spec: &mut Spec, wanted: &wire::ContainerAdjustment) {
    let mut annotations = spec.annotations().clone().unwrap_or_default();
    for (key, value) in &wanted.annotations {
        match super::merge::removed(key) {
            Some(key) => drop(annotations.remove(key)),
            None => drop(annotations.insert(key.clone(), value.clone())),
        }
    }
    spec.set_annotations(Some(annotations));
}
