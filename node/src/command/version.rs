//! `podling version`.

use podling_runtime::layout::Layout;

use super::{Outcome, output};
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
