//! A part of the node that runs as a task of this process, and is stopped and joined by us.

use std::error::Error;

use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

/// What a task may fail with.
pub(super) type PartError = Box<dyn Error + Send + Sync>;

/// Why a part ended other than by being asked to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// It returned, and nobody had asked it to.
    #[error("the {0} ended by itself")]
    ByItself(&'static str),
    /// It failed.
    #[error("the {part} failed")]
    Failed {
        /// Which one.
        part: &'static str,
        /// Why.
        source: PartError,
    },
    /// It panicked.
    #[error("the {part} broke")]
    Broke {
        /// Which one.
        part: &'static str,
        /// How.
        source: JoinError,
    },
}

/// A running part.
pub(super) struct Part {
    name: &'static str,
    task: JoinHandle<Result<(), PartError>>,
    stop: CancellationToken,
}

impl Part {
    /// Runs `work`, which ends once `stop` is cancelled.
    pub(super) fn spawn(
        name: &'static str,
        stop: CancellationToken,
        work: impl Future<Output = Result<(), PartError>> + Send + 'static,
    ) -> Self {
        Self {
            name,
            task: tokio::spawn(work),
            stop,
        }
    }

    /// Waits for the end that should not come; may be cancelled, but not asked again after an answer.
    pub(super) async fn ended(&mut self) -> Ended {
        let result = (&mut self.task).await;
        verdict(self.name, result)
            .err()
            .unwrap_or(Ended::ByItself(self.name))
    }

    /// Asks it to end and waits until it has.
    pub(super) async fn stop(self) -> Result<(), Ended> {
        self.stop.cancel();
        verdict(self.name, self.task.await)
    }
}

fn verdict(
    part: &'static str,
    result: Result<Result<(), PartError>, JoinError>,
) -> Result<(), Ended> {
    match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(source)) => Err(Ended::Failed { part, source }),
        Err(source) => Err(Ended::Broke { part, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(work: impl Future<Output = Result<(), PartError>> + Send + 'static) -> Part {
        Part::spawn("part", CancellationToken::new(), work)
    }

    #[tokio::test]
    async fn a_part_ends_when_it_is_asked_to() {
        let stop = CancellationToken::new();
        let asked = stop.clone();
        let part = Part::spawn("part", stop, async move {
            asked.cancelled().await;
            Ok(())
        });
        part.stop().await.unwrap();
    }

    #[tokio::test]
    async fn the_end_of_a_part_that_was_not_asked_is_an_error() {
        assert!(matches!(
            part(async { Ok(()) }).ended().await,
            Ended::ByItself("part")
        ));
        let failed = part(async { Err("no socket".into()) }).ended().await;
        assert_eq!(failed.source().unwrap().to_string(), "no socket");
    }
}
