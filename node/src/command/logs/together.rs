//! Several logs followed at once, whole lines of each as they come.

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Log, forgive};
use crate::args::LogsArguments;
use crate::command::output;
use crate::kubelet::{Kubelet, KubeletError, LogQuery};

/// Pieces of several logs on their way to one output.
const QUEUE: usize = 16;

/// Follows them until each has ended.
pub(super) async fn follow(
    kubelet: &Kubelet,
    queries: Vec<LogQuery>,
    arguments: &LogsArguments,
) -> Result<(), Box<dyn std::error::Error>> {
    let (pieces, mut taken) = mpsc::channel(QUEUE);
    let mut following: JoinSet<Result<(), KubeletError>> = JoinSet::new();
    for query in queries {
        let mut log = Log::new(kubelet, query, arguments);
        let pieces: mpsc::Sender<Vec<u8>> = pieces.clone();
        following.spawn(async move {
            while let Some(piece) = log.next().await? {
                // Without a listener there is nobody to tell.
                if pieces.send(piece).await.is_err() {
                    break;
                }
            }
            Ok(())
        });
    }
    drop(pieces);
    loop {
        // What is not taken in one turn is there in the next.
        tokio::select! {
            Some(piece) = taken.recv() => output::write(&piece)?,
            Some(ended) = following.join_next() => {
                forgive(ended?, arguments)?;
            }
            else => return Ok(()),
        }
    }
}
