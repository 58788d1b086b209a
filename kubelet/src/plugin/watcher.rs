//! The plugins' directory: each socket in it is a plugin that is asked what it is, beside the others.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use inotify::{Inotify, WatchMask};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::wire::{inform, introduce};
use super::{Doors, Knock, Refusal};
use crate::socket;

/// When a plugin that did not answer is asked again, or the directory read where nothing tells of changes.
const SOON: Duration = Duration::from_secs(5);
/// How often the directory is read even if nothing tells of a change.
const AGAIN: Duration = Duration::from_secs(60);

/// Tells a socket from one that was there before under its name.
type Identity = (u64, i64, i64);

/// Asks plugins until `stop`.
pub(crate) async fn run(directory: PathBuf, doors: Doors, stop: CancellationToken) {
    if let Err(error) = socket::make_directory(&directory) {
        let directory = directory.display();
        warn!(%error, %directory, "plugins cannot be found");
        return stop.cancelled().await;
    }
    let mut events = watch(&directory);
    let mut lookout = Lookout {
        pause: if events.is_some() { AGAIN } else { SOON },
        directory,
        doors: Arc::new(doors),
        known: BTreeMap::new(),
        asking: JoinSet::new(),
        is_unanswered: false,
    };
    lookout.look().await;
    loop {
        let changed = async {
            match &mut events {
                Some(events) => drop(events.next().await),
                None => std::future::pending().await,
            }
        };
        let pause = match lookout.is_unanswered {
            true => SOON,
            false => lookout.pause,
        };
        // Nothing is lost by stopping a wait: the directory is read again, and what is asked now is
        // asked again by the next kubelet.
        tokio::select! {
            () = stop.cancelled() => return,
            () = changed => lookout.look().await,
            Some(asked) = lookout.asking.join_next(), if !lookout.asking.is_empty() => {
                lookout.hear(asked.ok());
            }
            () = tokio::time::sleep(pause) => lookout.look().await,
        }
    }
}

/// What was found so far.
struct Lookout {
    directory: PathBuf,
    doors: Arc<Doors>,
    /// Sockets that were asked, or are.
    known: BTreeMap<PathBuf, Identity>,
    asking: JoinSet<(PathBuf, Identity, Asked)>,
    /// Whether one has to be asked again.
    is_unanswered: bool,
    pause: Duration,
}

/// Whether a plugin need not be asked again.
enum Asked {
    Once,
    InVain,
}

impl Lookout {
    async fn look(&mut self) {
        self.is_unanswered = false;
        let there = sockets(&self.directory);
        let gone: Vec<_> = self
            .known
            .keys()
            .filter(|socket| !there.contains_key(*socket))
            .cloned()
            .collect();
        for socket in gone {
            self.known.remove(&socket);
            for door in self.doors.values() {
                // A door that is closed needs not know.
                let _ = door.send(Knock::Leaves(socket.clone())).await;
            }
        }
        for (socket, identity) in there {
            if self.known.get(&socket) == Some(&identity) {
                continue;
            }
            self.known.insert(socket.clone(), identity);
            let doors = Arc::clone(&self.doors);
            self.asking.spawn(async move {
                let asked = ask(&socket, &doors).await;
                (socket, identity, asked)
            });
        }
    }

    fn hear(&mut self, asked: Option<(PathBuf, Identity, Asked)>) {
        if let Some((socket, identity, Asked::InVain)) = asked
            && self.known.get(&socket) == Some(&identity)
        {
            self.known.remove(&socket);
            self.is_unanswered = true;
        }
    }
}

async fn ask(socket: &Path, doors: &Doors) -> Asked {
    let (kind, introduction) = match introduce(socket).await {
        Ok(introduced) => introduced,
        Err(status) => {
            let error = status.message();
            warn!(socket = %socket.display(), error, "a plugin does not say what it is");
            return Asked::InVain;
        }
    };
    let name = introduction.name.clone();
    let outcome = match doors.get(kind.as_str()) {
        Some(door) => {
            let (answer, answered) = oneshot::channel();
            if door.send(Knock::Comes(introduction, answer)).await.is_err() {
                return Asked::InVain;
            }
            let ends = |_| Err(Refusal::ForNow("the kubelet ends".to_owned()));
            answered.await.unwrap_or_else(ends)
        }
        None => Err(Refusal::ForGood(format!(
            "no handler registered for plugin type: {kind} at socket {}",
            socket.display()
        ))),
    };
    let asked = match &outcome {
        Ok(()) => {
            info!(name, kind, "a plugin was found");
            Asked::Once
        }
        Err(refusal) => {
            let error = refusal.why();
            warn!(name, kind, error, "a plugin is of no use here");
            match refusal {
                Refusal::ForGood(_) => Asked::Once,
                Refusal::ForNow(_) => Asked::InVain,
            }
        }
    };
    let told = outcome.map_err(|refusal| refusal.why().to_owned());
    if let Err(status) = inform(socket, told).await {
        let error = status.message();
        warn!(socket = %socket.display(), error, "a plugin cannot be told whether it is known");
    }
    asked
}

fn sockets(directory: &Path) -> BTreeMap<PathBuf, Identity> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let sockets = entries.filter_map(|entry| {
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        let metadata = entry.metadata().ok()?;
        let identity = (metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
        let is_plugin = !is_hidden && metadata.file_type().is_socket();
        is_plugin.then(|| (entry.path(), identity))
    });
    sockets.collect()
}

fn watch(directory: &Path) -> Option<inotify::EventStream<[u8; 1024]>> {
    let inotify = Inotify::init().ok()?;
    let mask = WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::MOVED_FROM | WatchMask::DELETE;
    inotify.watches().add(directory, mask).ok()?;
    inotify.into_event_stream([0; 1024]).ok()
}
