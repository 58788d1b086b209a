//! `/healthz` and what is below it: whether the kubelet still does its work.

use axum::extract::{Path, State};
use http::{StatusCode, Uri};

use super::Shown;
use super::query::Query;
use super::refusal::Refusal;
use crate::pulse::Check;

/// `ok`, or each check with what is wrong; with `?verbose` each check in any case.
pub(super) async fn all(State(shown): State<Shown>, uri: Uri) -> (StatusCode, String) {
    let checks = checks(&shown);
    let is_well = checks.iter().all(|check| check.problem.is_none());
    if is_well && Query::of(&uri).first("verbose").is_none() {
        return (StatusCode::OK, "ok".to_owned());
    }
    let line = |check: &Check| match &check.problem {
        None => format!("[+]{} ok\n", check.name),
        Some(problem) => format!("[-]{} failed: {problem}\n", check.name),
    };
    let lines: String = checks.iter().map(line).collect();
    if is_well {
        (StatusCode::OK, lines + "healthz check passed\n")
    } else {
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            lines + "healthz check failed\n",
        )
    }
}

/// One check.
pub(super) async fn one(
    State(shown): State<Shown>,
    Path(name): Path<String>,
) -> Result<&'static str, Refusal> {
    let found = checks(&shown).into_iter().find(|check| check.name == name);
    let check = found.ok_or_else(|| Refusal::not_found("404 page not found\n"))?;
    match check.problem {
        None => Ok("ok"),
        Some(problem) => Err(Refusal::internal(format!(
            "internal server error: {problem}\n"
        ))),
    }
}

/// That the server answers is the first; that it logs is true of whoever writes to stderr.
fn checks(shown: &Shown) -> Vec<Check> {
    let always = ["ping", "log"].map(|name| Check {
        name,
        problem: None,
    });
    always
        .into_iter()
        .chain(shown.exhibits.pulse.checks())
        .collect()
}
