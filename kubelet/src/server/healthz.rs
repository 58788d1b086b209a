//! `/healthz`: whether the kubelet still does its work.

use axum::extract::State;
use http::StatusCode;

use super::Shown;

/// `ok`, or each check with what is wrong.
pub(super) async fn healthz(State(shown): State<Shown>) -> (StatusCode, String) {
    let checks = shown.exhibits.pulse.checks();
    if checks.iter().all(|check| check.problem.is_none()) {
        return (StatusCode::OK, "ok".to_owned());
    }
    let line = |check: &crate::pulse::Check| match &check.problem {
        None => format!("[+]{} ok\n", check.name),
        Some(problem) => format!("[-]{} failed: {problem}\n", check.name),
    };
    let mut lines: String = checks.iter().map(line).collect();
    lines.push_str("healthz check failed\n");
    (StatusCode::INTERNAL_SERVER_ERROR, lines)
}
