//! The options of the static policy: pure.

#![deny(clippy::disallowed_methods)]

use crate::config::Configuration;
use crate::pinning::settings::{InvalidOption, flag};

/// An option of the static policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuOption {
    /// No core is shared by two containers (`full-pcpus-only`).
    WholeCores,
    /// Of several nodes the same number (`distribute-cpus-across-numa`).
    AcrossNodes,
    /// Sockets count, not nodes (`align-by-socket`).
    BySocket,
    /// Threads of many cores (`distribute-cpus-across-cores`).
    AcrossCores,
    /// Nobody uses the reserved CPUs (`strict-cpu-reservation`).
    Strict,
    /// CPUs of as few caches as can be (`prefer-align-cpus-by-uncorecache`).
    ByCache,
}

/// How mature an option is: what is not may have to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stability {
    Alpha,
    Beta,
    Stable,
}

const ALL: [(&str, CpuOption, Stability); 6] = [
    ("full-pcpus-only", CpuOption::WholeCores, Stability::Stable),
    (
        "distribute-cpus-across-numa",
        CpuOption::AcrossNodes,
        Stability::Beta,
    ),
    ("align-by-socket", CpuOption::BySocket, Stability::Alpha),
    (
        "distribute-cpus-across-cores",
        CpuOption::AcrossCores,
        Stability::Alpha,
    ),
    (
        "strict-cpu-reservation",
        CpuOption::Strict,
        Stability::Stable,
    ),
    (
        "prefer-align-cpus-by-uncorecache",
        CpuOption::ByCache,
        Stability::Stable,
    ),
];

/// Options that contradict each other.
const RIVALS: [(CpuOption, CpuOption); 4] = [
    (CpuOption::WholeCores, CpuOption::AcrossCores),
    (CpuOption::AcrossNodes, CpuOption::AcrossCores),
    (CpuOption::ByCache, CpuOption::AcrossCores),
    (CpuOption::ByCache, CpuOption::AcrossNodes),
];

/// The options that are on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuOptions(Vec<CpuOption>);

impl CpuOptions {
    /// Whether one is on.
    pub fn has(&self, option: CpuOption) -> bool {
        self.0.contains(&option)
    }

    /// As configured.
    pub(in crate::pinning) fn read(configuration: &Configuration) -> Result<Self, InvalidOption> {
        let mut on = Self::default();
        for (name, value) in &configuration.cpu_manager_policy_options {
            let known = ALL.iter().find(|(known, ..)| known == name);
            let Some((_, option, stability)) = known else {
                return Err(InvalidOption(format!(
                    "unknown CPU Manager Policy option: {name:?}"
                )));
            };
            is_open(configuration, *stability, name)?;
            if flag(name, value)? {
                on.0.push(*option);
            }
        }
        let rivals = RIVALS
            .iter()
            .find(|(one, other)| on.has(*one) && on.has(*other));
        match rivals {
            None => Ok(on),
            Some((one, other)) => Err(InvalidOption(format!(
                "static policy options {} and {} can not be used at the same time",
                name(*one),
                name(*other)
            ))),
        }
    }

    /// These options, for tests.
    #[cfg(test)]
    pub(in crate::pinning) fn of(options: &[CpuOption]) -> Self {
        Self(options.to_vec())
    }
}

fn is_open(
    configuration: &Configuration,
    stability: Stability,
    option: &str,
) -> Result<(), InvalidOption> {
    let (gate, level) = match stability {
        Stability::Stable => return Ok(()),
        Stability::Beta => ("CPUManagerPolicyBetaOptions", "Beta"),
        Stability::Alpha => ("CPUManagerPolicyAlphaOptions", "Alpha"),
    };
    if configuration.is_open(gate) {
        return Ok(());
    }
    Err(InvalidOption(format!(
        "CPU Manager Policy {level}-level Options not enabled, but option {option:?} provided"
    )))
}

fn name(option: CpuOption) -> &'static str {
    let known = ALL.iter().find(|(_, known, _)| *known == option);
    known.map_or("", |(name, ..)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)], gates: &[(&str, bool)]) -> Result<CpuOptions, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let configuration = Configuration {
            cpu_manager_policy_options: options.iter().map(owned).collect(),
            feature_gates: gates
                .iter()
                .map(|(name, is_open)| ((*name).to_owned(), *is_open))
                .collect(),
            ..Configuration::default()
        };
        CpuOptions::read(&configuration).map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn options_that_are_not_stable_have_to_be_open() {
        let alpha = [("align-by-socket", "true")];
        assert_eq!(
            read(&alpha, &[]).unwrap_err(),
            "CPU Manager Policy Alpha-level Options not enabled, but option \"align-by-socket\" \
             provided"
        );
        let opened = read(&alpha, &[("CPUManagerPolicyAlphaOptions", true)]).unwrap();
        assert!(opened.has(CpuOption::BySocket));
        let beta = [("distribute-cpus-across-numa", "1")];
        assert!(read(&beta, &[]).unwrap().has(CpuOption::AcrossNodes));
        assert!(
            read(&beta, &[("CPUManagerPolicyBetaOptions", false)])
                .unwrap_err()
                .contains("Beta-level Options not enabled")
        );
        let off = read(&[("full-pcpus-only", "false")], &[]).unwrap();
        assert!(!off.has(CpuOption::WholeCores));
    }

    #[test]
    fn what_cannot_be_is_told_in_upstreams_words() {
        assert_eq!(
            read(&[("fast", "true")], &[]).unwrap_err(),
            "unknown CPU Manager Policy option: \"fast\""
        );
        assert_eq!(
            read(&[("full-pcpus-only", "yes")], &[]).unwrap_err(),
            "bad value for option \"full-pcpus-only\": strconv.ParseBool: parsing \"yes\": invalid \
             syntax"
        );
        let both = [
            ("distribute-cpus-across-numa", "true"),
            ("prefer-align-cpus-by-uncorecache", "true"),
        ];
        assert_eq!(
            read(&both, &[]).unwrap_err(),
            "static policy options prefer-align-cpus-by-uncorecache and \
             distribute-cpus-across-numa can not be used at the same time"
        );
    }
}
