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
    /// The features that the Node declares.
    pub(crate) fn declared_features(&self) -> Vec<&'static str> {
        let declared = DECLARED.iter().copied();
        declared
            .filter(|name| self.is_open(GATE) && self.is_open(name))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(closed: &[&str]) -> Vec<&'static str> {
        let gates = closed.iter().map(|name| ((*name).to_owned(), false));
        let configuration = Configuration {
            feature_gates: gates.collect(),
            ..Configuration::default()
        };
        configuration.declared_features()
    }

    #[test]
    fn what_is_there_and_not_closed_is_declared_in_order() {
        assert_eq!(declared(&[]), DECLARED);
        assert!(DECLARED.is_sorted());
        assert_eq!(declared(&[DECLARED[0]]), DECLARED[1..]);
        let none: [&str; 0] = [];
        assert_eq!(declared(&[GATE]), none);
    }
}
