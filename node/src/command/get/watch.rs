//! Objects as they change: a row, or a document, for each change.

use std::process::ExitCode;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::list::not_found;
use super::request::{Missing, Request, Span};
use crate::command::{Outcome, output};
use crate::kubelet::Kubelet;
use crate::print::printer::Told;
use crate::select::{News, Sieve};

/// Until the kubelet ends it, or a signal this process.
pub(super) async fn run(kubelet: &Kubelet, mut request: Request) -> Outcome {
    if request.selection.names.len() > 1 {
        return Err(
            "watch is only supported on individual resources and resource collections - \
                    more than 1 resource was found"
                .into(),
        );
    }
    let mut sieve = Sieve::new(request.selection.clone());
    let mut watch = kubelet.watch(request.resource).await?;
    let mut there = Some(Vec::new());
    while let Some(news) = watch.next().await? {
        let Some(news) = sieve.pass(news) else {
            continue;
        };
        match (news, &mut there) {
            (News::Added(object), Some(there)) => there.push(object),
            (News::AllThere, _) => {
                let there = there.take().unwrap_or_default();
                if there.is_empty() && request.selection.is_of_one() {
                    return absent(&request);
                }
                begin(&mut request, there)?;
            }
            (News::Added(object), None) => tell(&mut request, "ADDED", &object)?,
            (News::Modified(object), _) => tell(&mut request, "MODIFIED", &object)?,
            (News::Deleted(object), _) => tell(&mut request, "DELETED", &object)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One that was named is not there.
fn absent(request: &Request) -> Outcome {
    if request.missing == Missing::IsIgnored {
        return Ok(ExitCode::SUCCESS);
    }
    Err(not_found(request, &request.selection.names[0]).into())
}

fn begin(request: &mut Request, mut there: Vec<Value>) -> Result<(), Box<dyn std::error::Error>> {
    if request.span == Span::FromNow {
        return Ok(());
    }
    there.retain(|object| request.of_events.takes(object));
    let there = request.sorted(there)?;
    let event = "ADDED";
    let told: Vec<_> = there.iter().map(|object| Told { event, object }).collect();
    output::print(&request.printer.each(&told, Timestamp::now())?)?;
    Ok(())
}

fn tell(
    request: &mut Request,
    event: &str,
    object: &Value,
) -> Result<(), Box<dyn std::error::Error>> {
    if request.of_events.takes(object) {
        let told = [Told { event, object }];
        output::print(&request.printer.each(&told, Timestamp::now())?)?;
    }
    Ok(())
}
