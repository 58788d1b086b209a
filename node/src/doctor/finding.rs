//! What the examination comes to, and how it is shown.
#![deny(clippy::disallowed_methods)]

use serde::Serialize;

use crate::print::table;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What: `kernel overlayfs`.
    pub(super) check: &'static str,
    /// How it is.
    pub(super) state: State,
    /// What was found.
    pub(super) found: String,
    /// What to do about it, unless it is well.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) mend: String,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As a node needs it.
    Ok,
    /// A node runs, but not everything works, or not well.
    Limited,
    /// A node cannot run without it.
    Missing,
}

impl Finding {
    /// Something that is well.
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, State::Ok, found.into(), "")
    }

    /// Something that a node runs without.
    pub(super) fn limited(check: &'static str, found: impl Into<String>, mend: &str) -> Self {
        Self::new(check, State::Limited, found.into(), mend)
    }

    /// Something that a node needs.
    pub(super) fn missing(check: &'static str, found: impl Into<String>, mend: &str) -> Self {
        Self::new(check, State::Missing, found.into(), mend)
    }

    fn new(check: &'static str, state: State, found: String, mend: &str) -> Self {
        Self {
            check,
            state,
            found,
            mend: mend.to_owned(),
        }
    }
}

/// Whether a node can run.
pub(super) fn is_fit(findings: &[Finding]) -> bool {
    findings
        .iter()
        .all(|finding| finding.state != State::Missing)
}

/// For people: the worst is not hidden between the rest, as every mend stands in a line of its own.
pub(super) fn table(findings: &[Finding]) -> String {
    let row = |finding: &Finding| {
        let state = match finding.state {
            State::Ok => "ok",
            State::Limited => "limited",
            State::Missing => "MISSING",
        };
        vec![
            finding.check.to_owned(),
            state.to_owned(),
            finding.found.clone(),
        ]
    };
    let rows: Vec<_> = findings.iter().map(row).collect();
    let mut text = table::lay_out(&["CHECK", "STATE", "FOUND"], &rows);
    let ill = findings.iter().filter(|finding| finding.state != State::Ok);
    let mends: Vec<_> = ill
        .map(|finding| format!("  {}: {}\n", finding.check, finding.mend))
        .collect();
    if !mends.is_empty() {
        text.push_str("\nTo mend it:\n");
        text.extend(mends);
    }
    text
}

/// For programs.
pub(super) fn json(findings: &[Finding]) -> String {
    let all = serde_json::json!({ "fit": is_fit(findings), "findings": findings });
    format!("{all:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok("kernel pidfd", "works"),
            Finding::missing("kernel seccomp", "not there", "use another kernel"),
        ]
    }

    #[test]
    fn a_table_shows_every_finding_and_then_the_mends() {
        assert_eq!(
            table(&findings()),
            "CHECK            STATE     FOUND\n\
             kernel pidfd     ok        works\n\
             kernel seccomp   MISSING   not there\n\
             \nTo mend it:\n  kernel seccomp: use another kernel\n"
        );
        assert!(!table(&findings()[..1]).contains("To mend it"));
    }

    #[test]
    fn json_says_whether_a_node_can_run() {
        let value: serde_json::Value = serde_json::from_str(&json(&findings())).unwrap();
        assert_eq!(value["fit"], false);
        assert_eq!(value["findings"][1]["state"], "missing");
        assert_eq!(value["findings"][0].get("mend"), None);
    }

    #[test]
    fn only_what_is_missing_makes_a_machine_unfit() {
        let limited = Finding::limited("limits nofile", "1024", "raise it");
        assert!(is_fit(&[limited]));
        assert!(!is_fit(&findings()));
    }
}
