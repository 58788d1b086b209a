//! Objects as they are now.

use std::process::ExitCode;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::request::{Missing, Request};
use crate::command::{Outcome, output};
use crate::kubelet::Kubelet;
use crate::print::printer::PrintError;
use crate::resource::name;
use crate::select::is_named;

pub(super) async fn run(kubelet: &Kubelet, mut request: Request) -> Outcome {
    let all = kubelet.objects(request.resource).await?;
    let taken: Vec<Value> = all.into_iter().filter(|one| takes(&request, one)).collect();
    let names = request.selection.names.clone();
    let (objects, missing) = match names.as_slice() {
        [] => (request.sorted(taken)?, Vec::new()),
        names => named(names, &taken),
    };
    let nothing = objects.is_empty() && missing.is_empty();
    output::print(&printed(&mut request, &objects)?)?;
    if nothing && request.printer.is_for_people() {
        eprintln!("{}", nothing_found(&request));
    }
    if request.missing == Missing::IsIgnored || missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for name in missing {
        eprintln!("podling: {}", not_found(&request, name));
    }
    Ok(ExitCode::FAILURE)
}

fn takes(request: &Request, object: &Value) -> bool {
    request.selection.takes(object) && request.of_events.takes(object)
}

/// What has each of these names, the full name before one in a manifest; and the names that nothing has.
fn named<'a>(names: &'a [String], objects: &[Value]) -> (Vec<Value>, Vec<&'a str>) {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for wanted in names {
        let exact = objects.iter().find(|object| name(object) == wanted);
        let by_manifest = || objects.iter().find(|object| is_named(object, wanted));
        match exact.or_else(by_manifest) {
            Some(object) => found.push(object.clone()),
            None => missing.push(wanted.as_str()),
        }
    }
    (found, missing)
}

/// The one object that was named, or a list.
fn printed(request: &mut Request, objects: &[Value]) -> Result<String, PrintError> {
    let now = Timestamp::now();
    match objects {
        [] if request.selection.is_of_one() => Ok(String::new()),
        [one] if request.selection.is_of_one() && !request.printer.is_tabular() => {
            request.printer.document(one)
        }
        objects => request.printer.list(objects, now),
    }
}

/// A name that nothing has.
pub(super) fn not_found(request: &Request, name: &str) -> String {
    let words = request.resource.words();
    match &request.selection.namespace {
        Some(namespace) => format!(
            "there is no {} {name:?} in namespace {namespace:?}: `podling get {words} -A` lists all",
            request.resource.word()
        ),
        None => format!("{words} {name:?} not found"),
    }
}

fn nothing_found(request: &Request) -> String {
    match &request.selection.namespace {
        Some(namespace) => format!("No resources found in {namespace} namespace."),
        None => "No resources found".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_full_name_goes_before_one_in_a_manifest() {
        let pod = |name: &str| json!({ "metadata": { "name": name }, "spec": { "nodeName": "n" } });
        let pods = [pod("web-n"), pod("web"), pod("db-n")];
        let names = ["web", "db", "other"].map(str::to_owned);
        let (found, missing) = named(&names, &pods);
        assert_eq!(found, [pod("web"), pod("db-n")]);
        assert_eq!(missing, ["other"]);
    }
}
