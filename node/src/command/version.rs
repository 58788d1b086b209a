//! `podling version`.

use podling_kubelet::node::VERSION;
use podling_runtime::layout::Layout;

use super::{Outcome, output};
use crate::args::VersionForm;
use crate::cri::{self, ConnectError, RuntimeVersion};

/// The version of this command.
const OWN: &str = env!("CARGO_PKG_VERSION");

pub(super) async fn run(layout: &Layout) -> Outcome {
    let daemon = match cri::connect(&layout.socket()).await {
        Ok(channel) => Some(cri::runtime_version(channel).await?),
        // Without a daemon there is still a version to tell.
        Err(ConnectError::NotRunning(_)) => None,
        Err(error) => return Err(error.into()),
    };
    output::print(&text(daemon.as_ref()))
}

/// The kubelet's version as upstream's `--version` prints it; nothing when it is not asked for.
pub(super) fn of_kubelet(form: VersionForm) -> Option<String> {
    match form {
        VersionForm::True => Some(format!("Kubernetes {VERSION}\n")),
        VersionForm::Raw => Some(raw(VERSION, std::env::consts::ARCH)),
        VersionForm::False => None,
    }
}

/// In the form in which Go prints structures. What only a build of upstream's has is empty.
fn raw(version: &str, architecture: &str) -> String {
    let mut numbers = version.trim_start_matches('v').split('.');
    let [major, minor] = [(); 2].map(|()| numbers.next().unwrap_or_default());
    let architecture = match architecture {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!(
        "version.Info{{Major:\"{major}\", Minor:\"{minor}\", EmulationMajor:\"\", EmulationMinor:\"\", \
         MinCompatibilityMajor:\"\", MinCompatibilityMinor:\"\", GitVersion:\"{version}\", GitCommit:\"\", \
         GitTreeState:\"\", BuildDate:\"\", GoVersion:\"\", Compiler:\"rustc\", \
         Platform:\"linux/{architecture}\"}}\n"
    )
}

/// What is printed; a daemon that was not started anew after an upgrade is pointed out.
fn text(daemon: Option<&RuntimeVersion>) -> String {
    let command = format!("command: podling {OWN}\n");
    let Some(daemon) = daemon else {
        return format!("{command}daemon:  not running\n");
    };
    let RuntimeVersion { name, version, api } = daemon;
    let old = match version == OWN {
        true => "",
        false => {
            "\nThe daemon is of another version than this command: start it anew, its pods go on.\n"
        }
    };
    format!("{command}daemon:  {name} {version}, CRI {api}\n{old}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubelet_tells_its_version_in_a_line_or_part_by_part() {
        let line = of_kubelet(VersionForm::True).unwrap();
        assert!(line.starts_with("Kubernetes v1."), "{line}");
        let raw = raw("v1.36.0+podling.1", "x86_64");
        assert!(
            raw.starts_with("version.Info{Major:\"1\", Minor:\"36\", "),
            "{raw}"
        );
        assert!(raw.contains("GitVersion:\"v1.36.0+podling.1\""), "{raw}");
        assert!(raw.ends_with("Platform:\"linux/amd64\"}\n"), "{raw}");
        assert_eq!(of_kubelet(VersionForm::False), None);
    }

    fn of(version: &str) -> RuntimeVersion {
        RuntimeVersion {
            name: "podling".to_owned(),
            version: version.to_owned(),
            api: "v1".to_owned(),
        }
    }

    #[test]
    fn a_daemon_of_another_version_is_pointed_out() {
        let same = text(Some(&of(OWN)));
        assert_eq!(same.lines().count(), 2, "{same}");
        assert!(
            same.ends_with(&format!("daemon:  podling {OWN}, CRI v1\n")),
            "{same}"
        );
        assert!(text(Some(&of("0.0.1"))).contains("start it anew"));
        assert!(text(None).ends_with("daemon:  not running\n"));
    }
}
