//! Watches logind: has it wait long enough, holds shutdowns up, and says when one begins. It is asked on a
//! thread of its own, which may block.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use podling_systemd::{Logind, LogindError, Prospect};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::News;

/// How long until a lost logind is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How often logind is asked whether it has read its configuration, a wait twice as long between each.
const LOOKS: u32 = 8;
const FIRST_LOOK: Duration = Duration::from_millis(50);

/// What `systemd-inhibit --list` shows.
const WHO: &str = "kubelet";
const WHY: &str = "Kubelet needs time to handle node shutdown";

/// Where logind is told to wait longer, in its directory of drop-ins.
const DROP_IN: &str = "99-kubelet.conf";

/// Why shutdowns are not held up.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error(transparent)]
    Logind(#[from] LogindError),
    #[error("cannot write {}, which would have logind wait {} s", .path.display(), .needed.as_secs())]
    DropIn {
        path: PathBuf,
        needed: Duration,
        source: io::Error,
    },
    #[error(
        "logind waits {} s at most, and shutdownGracePeriod needs {} s: something in {} may say less than {DROP_IN}",
        .now.as_secs_f32(), .needed.as_secs(), .directory.display()
    )]
    TooShort {
        now: Duration,
        needed: Duration,
        directory: PathBuf,
    },
}

/// Watches logind.
#[derive(Clone, Debug)]
pub struct LogindWatch {
    /// How long a shutdown has to be held up.
    pub needed: Duration,
    /// Where logind's drop-ins are.
    pub drop_ins: PathBuf,
}

impl LogindWatch {
    /// Tells news until `shutdown`, or until nobody listens.
    pub async fn run(self, news: mpsc::Sender<News>, shutdown: CancellationToken) {
        let mut told = String::new();
        while !news.is_closed() {
            match self.watch(&news, &shutdown).await {
                Ok(()) => return,
                Err(error) => {
                    let text = error.to_string();
                    if told != text {
                        let error = &error as &dyn std::error::Error;
                        warn!(
                            error,
                            "shutdowns of the machine are not waited for; trying again"
                        );
                        told = text;
                    }
                }
            }
            // Only waiting is cancelled.
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// One conversation, until `shutdown` or until it breaks.
    async fn watch(
        &self,
        news: &mpsc::Sender<News>,
        shutdown: &CancellationToken,
    ) -> Result<(), WatchError> {
        let connected = tokio::task::spawn_blocking(Logind::connect).await;
        let logind = connected.expect("connecting does not panic")?;
        let breaker = logind.breaker()?;
        let (watch, news) = (self.clone(), news.clone());
        let mut work = tokio::task::spawn_blocking(move || watch.converse(logind, &news));
        // The conversation is broken off, not dropped.
        let ended = tokio::select! {
            () = shutdown.cancelled() => {
                breaker.break_off();
                // How it ended is no matter any more.
                let _ = work.await;
                return Ok(());
            }
            ended = &mut work => ended,
        };
        ended.expect("the conversation does not panic")
    }

    fn converse(&self, mut logind: Logind, news: &mpsc::Sender<News>) -> Result<(), WatchError> {
        logind.greet()?;
        self.make_wait(&mut logind)?;
        let mut one = News::Lock(logind.hold_up(WHO, WHY)?);
        info!(
            seconds = self.needed.as_secs(),
            "shutdowns of the machine are held up for pods"
        );
        // A keeper that has gone needs no news.
        while news.blocking_send(one).is_ok() {
            one = match logind.hear()? {
                Prospect::GoesDown => News::GoesDown,
                Prospect::Stays => {
                    if news.blocking_send(News::Stays).is_err() {
                        return Ok(());
                    }
                    News::Lock(logind.hold_up(WHO, WHY)?)
                }
            };
        }
        Ok(())
    }

    /// Has logind wait as long as is needed, if it would not.
    fn make_wait(&self, logind: &mut Logind) -> Result<(), WatchError> {
        if logind.longest_delay()? >= self.needed {
            return Ok(());
        }
        write_drop_in(&self.drop_ins, self.needed)?;
        logind.reload()?;
        for look in 0..LOOKS {
            std::thread::sleep(FIRST_LOOK * 2_u32.pow(look));
            if logind.longest_delay()? >= self.needed {
                return Ok(());
            }
        }
        Err(WatchError::TooShort {
            now: logind.longest_delay()?,
            needed: self.needed,
            directory: self.drop_ins.clone(),
        })
    }
}

fn write_drop_in(directory: &Path, needed: Duration) -> Result<(), WatchError> {
    let path = directory.join(DROP_IN);
    let text = format!(
        "# Kubelet logind override\n[Login]\nInhibitDelayMaxSec={}\n",
        needed.as_secs()
    );
    let written = fs::create_dir_all(directory).and_then(|()| fs::write(&path, text));
    written.map_err(|source| WatchError::DropIn {
        path,
        needed,
        source,
    })
}
