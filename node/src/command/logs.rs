//! `podling logs`.

use std::process::ExitCode;

use podling_runtime::layout::Layout;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Outcome, output};
use crate::args::LogsArguments;
use crate::kubelet::pod::{self, ChoiceError, Pod};
use crate::kubelet::{Kubelet, KubeletError, LogQuery, next_chunk};

/// Chunks of several logs on their way to one output.
const QUEUE: usize = 16;

pub(super) async fn run(layout: &Layout, arguments: &LogsArguments) -> Outcome {
    let kubelet = Kubelet::of(layout);
    let pods = kubelet.pods().await?;
    let pod = pod::find(&pods, &arguments.namespace.namespace, &arguments.pod)?;
    let containers = if arguments.all_containers {
        pod.container_names()
    } else {
        vec![chosen_container(pod, arguments.container.as_deref())?]
    };
    let queries = containers
        .into_iter()
        .map(|container| query(pod, container, arguments));
    if arguments.follow {
        together(&kubelet, queries.collect(), arguments.prefix).await?;
        return Ok(ExitCode::SUCCESS);
    }
    for query in queries {
        let mut prefix = Prefix::of(&query, arguments.prefix);
        let mut answer = kubelet.logs(&query).await?;
        while let Some(chunk) = next_chunk(&mut answer).await? {
            output::write(&prefix.before(&chunk))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn query(pod: &Pod, container: &str, arguments: &LogsArguments) -> LogQuery {
    LogQuery {
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
    }
}

/// Follows several logs at once, whole lines of each as they come.
async fn together(
    kubelet: &Kubelet,
    queries: Vec<LogQuery>,
    with_prefix: bool,
) -> Result<(), Box<dyn std::error::Error>> {
    let (chunks, mut taken) = mpsc::channel(QUEUE);
    let mut following = JoinSet::new();
    for query in queries {
        let (kubelet, chunks) = (kubelet.clone(), chunks.clone());
        following.spawn(async move { follow(&kubelet, &query, with_prefix, chunks).await });
    }
    drop(chunks);
    while let Some(chunk) = taken.recv().await {
        output::write(&chunk)?;
    }
    while let Some(ended) = following.join_next().await {
        ended??;
    }
    Ok(())
}

async fn follow(
    kubelet: &Kubelet,
    query: &LogQuery,
    with_prefix: bool,
    chunks: mpsc::Sender<Vec<u8>>,
) -> Result<(), KubeletError> {
    let mut prefix = Prefix::of(query, with_prefix);
    let mut answer = kubelet.logs(query).await?;
    while let Some(chunk) = next_chunk(&mut answer)
        .await
        .map_err(KubeletError::Answer)?
    {
        // Without a listener there is nobody to tell.
        if chunks.send(prefix.before(&chunk)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// What stands before each line of a log.
struct Prefix {
    text: String,
    is_line_begun: bool,
}

impl Prefix {
    /// As kubectl has it: `[pod/web-node/web] `.
    fn of(query: &LogQuery, is_wanted: bool) -> Self {
        let text = if is_wanted {
            format!("[pod/{}/{}] ", query.pod, query.container)
        } else {
            String::new()
        };
        Self {
            text,
            is_line_begun: false,
        }
    }

    /// The bytes with the prefix before each line that begins in them.
    fn before(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.text.is_empty() {
            return bytes.to_vec();
        }
        let mut all = Vec::with_capacity(bytes.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !self.is_line_begun {
                all.extend_from_slice(self.text.as_bytes());
            }
            all.extend_from_slice(line);
            self.is_line_begun = !line.ends_with(b"\n");
        }
        all
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_prefix_wherever_the_pieces_end() {
        let query = LogQuery {
            pod: "web-node".to_owned(),
            container: "web".to_owned(),
            ..LogQuery::default()
        };
        let mut prefix = Prefix::of(&query, true);
        let pieces = ["one\ntw", "o\n", "three"].map(|piece| prefix.before(piece.as_bytes()));
        assert_eq!(
            String::from_utf8(pieces.concat()).unwrap(),
            "[pod/web-node/web] one\n[pod/web-node/web] two\n[pod/web-node/web] three"
        );
        assert_eq!(Prefix::of(&query, false).before(b"a\n"), b"a\n");
    }
}
