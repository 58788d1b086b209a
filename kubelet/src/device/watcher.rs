//! The plugins' directory: each socket in it is a plugin that is asked who it is.
//!
//! Only device plugins are of use here; others are told so, and left alone.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use inotify::{Inotify, WatchMask};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::wire::{Knock, inform, introduce};

/// When a plugin that did not answer is asked again, or the directory read where nothing tells of changes.
const SOON: Duration = Duration::from_secs(5);
/// How often the directory is read even if nothing tells of a change.
const AGAIN: Duration = Duration::from_secs(60);

/// Tells a socket from one that was there before under its name.
type Identity = (u64, i64, i64);

/// Asks plugins until `stop`.
pub(super) async fn run(directory: PathBuf, knocks: mpsc::Sender<Knock>, stop: CancellationToken) {
    let mut known = BTreeMap::new();
    let mut events = watch(&directory);
    let is_told = events.is_some();
    loop {
        // What is asked now is asked again by the next kubelet.
        let looked = tokio::select! {
            () = stop.cancelled() => return,
            looked = look(&directory, &mut known, &knocks) => looked,
        };
        let changed = async {
            match &mut events {
                Some(events) => drop(events.next().await),
                None => std::future::pending().await,
            }
        };
        let pause = match looked {
            Looked::AtAll if is_told => AGAIN,
            Looked::AtAll | Looked::NotAtAll => SOON,
        };
        // Nothing is lost by stopping a wait: the directory is read again.
        tokio::select! {
            () = stop.cancelled() => return,
            () = changed => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Whether every plugin there is has said what it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looked {
    AtAll,
    NotAtAll,
}

async fn look(
    directory: &Path,
    known: &mut BTreeMap<PathBuf, Identity>,
    knocks: &mpsc::Sender<Knock>,
) -> Looked {
    let there = sockets(directory);
    let gone: Vec<_> = known
        .keys()
        .filter(|socket| !there.contains_key(*socket))
        .cloned()
        .collect();
    for socket in gone {
        known.remove(&socket);
        // A door that is closed needs not know.
        let _ = knocks.send(Knock::Leaves(socket)).await;
    }
    let mut looked = Looked::AtAll;
    for (socket, identity) in there {
        if known.get(&socket) == Some(&identity) {
            continue;
        }
        match ask(&socket, knocks).await {
            Asked::Once => drop(known.insert(socket, identity)),
            Asked::InVain => looked = Looked::NotAtAll,
        }
    }
    looked
}

/// Whether a plugin need not be asked again.
enum Asked {
    Once,
    InVain,
}

async fn ask(socket: &Path, knocks: &mpsc::Sender<Knock>) -> Asked {
    let (kind, introduction) = match introduce(socket).await {
        Ok(introduced) => introduced,
        Err(status) => {
            let error = status.message();
            warn!(socket = %socket.display(), error, "a plugin does not say what it is");
            return Asked::InVain;
        }
    };
    let resource = introduction.resource.clone();
    let outcome = if kind == "DevicePlugin" {
        let (answer, answered) = oneshot::channel();
        let knock = Knock::Comes(introduction, answer);
        if knocks.send(knock).await.is_err() {
            return Asked::InVain;
        }
        let ends = |_| Err("the kubelet ends".to_owned());
        answered.await.unwrap_or_else(ends)
    } else {
        Err(format!(
            "no handler registered for plugin type: {kind} at socket {}",
            socket.display()
        ))
    };
    match &outcome {
        Ok(()) => info!(resource, "a plugin was found"),
        Err(error) => warn!(resource, error, "a plugin is of no use here"),
    }
    if let Err(status) = inform(socket, outcome).await {
        let error = status.message();
        warn!(socket = %socket.display(), error, "a plugin cannot be told whether it is known");
    }
    Asked::Once
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
