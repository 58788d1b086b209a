//! Feature gates: which there are, which are open, and which may not be set.
#![deny(clippy::disallowed_methods)]

mod declared;
mod table;

use super::Configuration;

/// Gates that open or close all that are of a stage and are not set themselves.
const OF_STAGES: [(&str, Stage); 2] = [("AllAlpha", Stage::Alpha), ("AllBeta", Stage::Beta)];

/// Gates that change what this kubelet does, or what it takes for valid.
const WITH_EFFECT: [&str; 16] = [
    "AllAlpha",
    "AllBeta",
    "CPUManagerPolicyAlphaOptions",
    "CPUManagerPolicyBetaOptions",
    "ClusterTrustBundle",
    "ClusterTrustBundleProjection",
    "CustomCPUCFSQuotaPeriod",
    "DisableCPUQuotaWithExclusiveCPUs",
    "GracefulNodeShutdown",
    "GracefulNodeShutdownBasedOnPodPriority",
    "KubeletCrashLoopBackOffMax",
    "KubeletEnsureSecretPulledImages",
    "NodeDeclaredFeatures",
    "PodCertificateRequest",
    "QOSReserved",
    "RotateKubeletServerCertificate",
];

/// How far a feature has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Alpha,
    Beta,
    Stable,
    Deprecated,
}

impl Stage {
    /// As metrics call it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Alpha => "ALPHA",
            Self::Beta => "BETA",
            Self::Stable => "",
            Self::Deprecated => "DEPRECATED",
        }
    }
}

/// Whether a gate may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lock {
    Free,
    Locked,
}

/// Gates that are alike.
struct Gates {
    stage: Stage,
    is_open: bool,
    lock: Lock,
    names: &'static [&'static str],
}

fn of_name(name: &str) -> Option<&'static Gates> {
    table::ALL.iter().find(|gates| gates.names.contains(&name))
}

impl Configuration {
    /// Whether a feature gate is open.
    pub(crate) fn is_open(&self, name: &str) -> bool {
        let set = |name: &str| self.feature_gates.get(name).copied();
        let Some(gates) = of_name(name) else {
            return set(name).unwrap_or(false);
        };
        let of_stage = OF_STAGES.iter().find(|(_, stage)| *stage == gates.stage);
        let of_stage = of_stage.filter(|_| gates.lock == Lock::Free);
        set(name)
            .or_else(|| set(of_stage?.0))
            .unwrap_or(gates.is_open)
    }

    /// Every gate: its name, the stage of its feature, and whether it is open.
    pub(crate) fn gates(&self) -> Vec<(&'static str, &'static str, bool)> {
        let of_stages = OF_STAGES.iter();
        let of_stages = of_stages.map(|(name, stage)| (*name, *stage));
        let named = table::ALL
            .iter()
            .flat_map(|gates| gates.names.iter().map(|name| (*name, gates.stage)));
        of_stages
            .chain(named)
            .map(|(name, stage)| (name, stage.as_str(), self.is_open(name)))
            .collect()
    }

    /// Gates that are set against their default, and change nothing here.
    pub(super) fn gates_without_effect(&self) -> impl Iterator<Item = &str> {
        let set = self.feature_gates.iter();
        let changed = set.filter(|(name, is_open)| {
            of_name(name).is_some_and(|gates| gates.is_open != **is_open)
        });
        let names = changed.map(|(name, _)| name.as_str());
        names.filter(|name| !WITH_EFFECT.contains(name))
    }
}

/// Gates that there are none of, and those that may not be set so; upstream's words.
pub(super) fn complaints(configuration: &Configuration) -> Vec<String> {
    let set = configuration.feature_gates.iter();
    let complaint = |(name, wanted): (&String, &bool)| {
        if OF_STAGES.iter().any(|(of_stage, _)| of_stage == name) {
            return None;
        }
        let Some(gates) = of_name(name) else {
            return Some(format!("unrecognized feature gate: {name}"));
        };
        let is_open = gates.is_open;
        let is_wrong = gates.lock == Lock::Locked && *wanted != is_open;
        is_wrong.then(|| {
            format!("cannot set feature gate {name} to {wanted}, feature is locked to {is_open}")
        })
    };
    set.filter_map(complaint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(gates: &[(&str, bool)]) -> Configuration {
        let gates = gates
            .iter()
            .map(|(name, is_open)| ((*name).to_owned(), *is_open));
        Configuration {
            feature_gates: gates.collect(),
            ..Configuration::default()
        }
    }

    #[test]
    fn each_gate_is_known_once_and_has_its_default() {
        let mut names: Vec<_> = Configuration::default().gates();
        let all = names.len();
        names.sort_unstable();
        names.dedup_by_key(|gate| gate.0);
        assert_eq!(names.len(), all);
        for name in WITH_EFFECT {
            assert!(names.iter().any(|gate| gate.0 == name), "{name}");
        }
        assert!(names.contains(&("GracefulNodeShutdown", "BETA", true)));
        assert!(names.contains(&("QOSReserved", "ALPHA", false)));
        assert!(names.contains(&("NodeSwap", "", true)));
    }

    #[test]
    fn what_is_set_counts_before_what_is_set_for_a_stage() {
        let all = with(&[("AllAlpha", true), ("AllBeta", false), ("MemoryQoS", false)]);
        assert!(all.is_open("QOSReserved"));
        assert!(!all.is_open("MemoryQoS"));
        assert!(!all.is_open("GracefulNodeShutdown"));
        assert!(all.is_open("NodeSwap"));
    }

    #[test]
    fn gates_that_there_are_none_of_or_that_are_locked_are_refused() {
        let told = complaints(&with(&[
            ("Nonsense", true),
            ("NodeSwap", false),
            ("AllAlpha", true),
        ]));
        assert_eq!(
            told,
            [
                "cannot set feature gate NodeSwap to false, feature is locked to true",
                "unrecognized feature gate: Nonsense",
            ]
        );
    }

    #[test]
    fn gates_that_change_nothing_here_are_named() {
        let set = with(&[
            ("MemoryQoS", true),
            ("QOSReserved", true),
            ("EnvFiles", true),
        ]);
        let named: Vec<_> = set.gates_without_effect().collect();
        assert_eq!(named, ["MemoryQoS"]);
    }
}
