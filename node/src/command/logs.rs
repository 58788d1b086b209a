//! `podling logs`.

use std::process::ExitCode;

use podling_runtime::layout::Layout;

use super::{Outcome, output};
use crate::args::LogsArguments;
use crate::kubelet::pod::{self, ChoiceError, Pod};
use crate::kubelet::{Kubelet, LogQuery, next_chunk};

pub(super) async fn run(layout: &Layout, arguments: &LogsArguments) -> Outcome {
    let kubelet = Kubelet::of(layout);
    let pods = kubelet.pods().await?;
    let pod = pod::find(&pods, &arguments.namespace.namespace, &arguments.pod)?;
    let container = chosen_container(pod, arguments.container.as_deref())?;
    let query = LogQuery {
        namespace: pod.namespace().to_owned(),
        pod: pod.name().to_owned(),
        container: container.to_owned(),
        follow: arguments.follow,
        previous: arguments.previous,
        timestamps: arguments.timestamps,
        tail_lines: arguments.tail,
        // A part of a second is rounded up: the kubelet counts whole ones.
        since_seconds: arguments
            .since
            .map(|since| since.as_secs_f64().ceil() as u64),
        since_time: arguments.since_time.clone(),
        limit_bytes: arguments.limit_bytes,
    };
    let mut answer = kubelet.logs(&query).await?;
    while let Some(chunk) = next_chunk(&mut answer).await? {
        output::write(&chunk)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The container that is meant; says which when several could have been.
pub(super) fn chosen_container<'a>(
    pod: &'a Pod,
    named: Option<&str>,
) -> Result<&'a str, ChoiceError> {
    let container = pod.container(named)?;
    let all = pod.container_names();
    if named.is_none() && all.len() > 1 {
        eprintln!(
            "Defaulted container {container:?} out of: {}",
            all.join(", ")
        );
    }
    Ok(container)
}
