//! Features that a Node says it has, so that whoever places or changes pods may count on them: pure.
#![deny(clippy::disallowed_methods)]

use super::Configuration;

/// The gate without which nothing is said.
const GATE: &str = "NodeDeclaredFeatures";

/// What this kubelet has of what upstream's says: each is its gate, in the order in which it is told.
/// `UserNamespacesHostNetworkSupport` is none of it: no runtime does that here.
const DECLARED: [&str; 4] = [
    "ExtendWebSocketsToKubelet",
    "InPlacePodLevelResourcesVerticalScaling",
    "InPlacePodVerticalScalingInitContainers",
    "RestartAllContainersOnContainerExits",
];

impl Configuration {
    /// The features that the Node declares, unless it shall not.
    pub(crate) fn declared_features(&self) -> Option<Vec<&'static str>> {
        let declared = DECLARED.iter().copied();
        self.is_open(GATE)
            .then(|| declared.filter(|name| self.is_open(name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(closed: &[&str]) -> Option<Vec<&'static str>> {
        let gates = closed.iter().map(|name| ((*name).to_owned(), false));
        let configuration = Configuration {
            feature_gates: gates.collect(),
            ..Configuration::default()
        };
        configuration.declared_features()
    }

    #[test]
    fn what_is_there_and_not_closed_is_declared_in_order() {
        assert_eq!(declared(&[]), Some(DECLARED.to_vec()));
        assert!(DECLARED.is_sorted());
        assert_eq!(declared(&[DECLARED[0]]), Some(DECLARED[1..].to_vec()));
        assert_eq!(declared(&DECLARED), Some(Vec::new()));
        assert_eq!(declared(&[GATE]), None);
    }
}
