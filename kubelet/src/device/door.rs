//! The door: where plugins register, and one task for each that follows its devices.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::desk::Desk;
use super::wire::{Introduction, Plugin, VERSION, Way, serve};
use crate::model::{PodUid, is_extended_resource};
use crate::plugin;
use crate::socket;
use crate::sync::Input;

/// How often plugins that are gone are looked through.
const SWEEP: Duration = Duration::from_secs(30);

/// Where plugins are looked for.
#[derive(Clone, Debug)]
pub struct Places {
    /// Their sockets, and the kubelet's, where they register.
    pub devices: PathBuf,
}

/// Lets plugins in until `stop`, and those whose sockets were `found`.
pub(crate) async fn run(
    places: Places,
    (desk, inbox): (Arc<Desk>, mpsc::Sender<Input>),
    mut found: mpsc::Receiver<plugin::Knock>,
    stop: CancellationToken,
) {
    let listener = match listen(&places) {
        Ok(listener) => listener,
        Err(error) => {
            let directory = places.devices.display();
            warn!(%error, %directory, "device plugins cannot register");
            drop(found);
            return stop.cancelled().await;
        }
    };
    let (knocks, mut knocking) = mpsc::channel(16);
    let mut tasks = JoinSet::new();
    let to_server = stop.clone();
    tasks.spawn(async move {
        if let Err(error) = serve(listener, knocks, to_server).await {
            warn!(%error, "the registration of device plugins failed");
        }
    });
    let mut hall = Hall {
        places,
        desk,
        inbox,
        followed: BTreeMap::new(),
        tasks,
        stop: stop.clone(),
    };
    loop {
        // Nothing is lost by stopping a wait: knocks stay in their channel.
        tokio::select! {
            () = stop.cancelled() => break,
            Some((introduction, answer)) = knocking.recv() => hall.meet(introduction, answer),
            Some(knock) = found.recv() => hall.hear(knock).await,
            _ = hall.tasks.join_next(), if !hall.tasks.is_empty() => {}
            () = tokio::time::sleep(SWEEP) => hall.desk.forget().await,
        }
    }
    while hall.tasks.join_next().await.is_some() {}
    // Plugins see by this that they have to register again.
    let _ = std::fs::remove_file(hall.places.devices.join(SOCKET));
}

/// The plugins that were let in.
struct Hall {
    places: Places,
    desk: Arc<Desk>,
    /// Where it is told whose devices have changed.
    inbox: mpsc::Sender<Input>,
    /// By resource: where its plugin is, and how to stop following it.
    followed: BTreeMap<String, (PathBuf, CancellationToken)>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Hall {
    fn meet(&mut self, introduction: Introduction, answer: oneshot::Sender<Result<(), String>>) {
        match admit(&introduction) {
            Ok(()) => self.let_in(introduction, answer),
            // Who does not wait for the answer does not need it.
            Err(why) => drop(answer.send(Err(why))),
        }
    }

    async fn hear(&mut self, knock: plugin::Knock) {
        match knock {
            plugin::Knock::Comes(found, answer) => {
                let introduction = Introduction {
                    way: Way::Found,
                    resource: found.name,
                    endpoint: found.endpoint.to_string_lossy().into_owned(),
                    versions: found.versions,
                };
                let (tell, told) = oneshot::channel();
                self.meet(introduction, tell);
                self.tasks.spawn(async move {
                    let ends = |_| Err("the kubelet ends".to_owned());
                    let outcome = told.await.unwrap_or_else(ends);
                    // Who does not wait for the answer does not need it.
                    let _ = answer.send(outcome.map_err(plugin::Refusal::ForGood));
                });
            }
            plugin::Knock::Leaves(socket) => {
                let followed = self.followed.iter();
                let mut left = followed.filter(|(_, (at, _))| *at == socket);
                let Some(resource) = left.next().map(|(resource, _)| resource.clone()) else {
                    return;
                };
                if let Some((_, until)) = self.followed.remove(&resource) {
                    until.cancel();
                }
                info!(resource, "a device plugin's socket is gone");
                let concerned = self.desk.lose(&resource).await;
                wake(&self.inbox, concerned).await;
            }
        }
    }

    /// A plugin that comes again takes the place of what it was.
    fn let_in(&mut self, introduction: Introduction, answer: oneshot::Sender<Result<(), String>>) {
        let Introduction {
            resource, endpoint, ..
        } = introduction;
        let (socket, until) = (self.places.devices.join(endpoint), self.stop.child_token());
        let now = (socket.clone(), until.clone());
        if let Some((_, before)) = self.followed.insert(resource.clone(), now) {
            before.cancel();
        }
        let (desk, inbox) = (Arc::clone(&self.desk), self.inbox.clone());
        self.tasks.spawn(async move {
            // Given up only for a new one of the same resource, or with the kubelet.
            let ended = tokio::select! {
                () = until.cancelled() => return,
                ended = follow(&resource, socket, (&desk, &inbox, answer)) => ended,
            };
            match ended {
                _ if until.is_cancelled() => return,
                Ok(()) => info!(resource, "a device plugin is gone"),
                Err(status) => {
                    warn!(
                        resource,
                        error = status.message(),
                        "a device plugin is lost"
                    );
                }
            }
            let concerned = desk.lose(&resource).await;
            wake(&inbox, concerned).await;
        });
    }
}

/// The name of the kubelet's socket.
const SOCKET: &str = "kubelet.sock";

/// Plugins that were there before register again when they see that their sockets are gone.
fn listen(places: &Places) -> io::Result<UnixListener> {
    socket::make_directory(&places.devices)?;
    for entry in std::fs::read_dir(&places.devices)? {
        let entry = entry?;
        if entry.file_type()?.is_socket() {
            std::fs::remove_file(entry.path())?;
        }
    }
    socket::bind(&places.devices.join(SOCKET))
}

/// Whether a plugin can be known.
fn admit(introduction: &Introduction) -> Result<(), String> {
    let Introduction {
        way,
        resource,
        versions,
        ..
    } = introduction;
    if !versions.iter().any(|version| version == VERSION) {
        let told = versions.join(" ");
        return Err(match way {
            Way::Registers => format!(
                "requested API version {told:?} is not supported by kubelet. Supported version is \
                 [{VERSION:?}]"
            ),
            Way::Found => format!(
                "manager version, {VERSION}, is not among plugin supported versions [{told}]"
            ),
        });
    }
    if is_extended_resource(resource) {
        return Ok(());
    }
    let why = format!("the ResourceName {resource:?} is invalid");
    Err(match way {
        Way::Registers => why,
        Way::Found => format!("invalid name of device plugin socket: {why}"),
    })
}

/// Keeps the books of one plugin until it is gone. It is told that it is known when it has answered.
async fn follow(
    resource: &str,
    socket: PathBuf,
    (desk, inbox, answer): (
        &Desk,
        &mpsc::Sender<Input>,
        oneshot::Sender<Result<(), String>>,
    ),
) -> Result<(), tonic::Status> {
    let connected = Plugin::connect(socket).await;
    let outcome = match &connected {
        Ok(plugin) => {
            desk.connect(resource, plugin.clone());
            Ok(())
        }
        Err(status) => Err(format!(
            "failed to get device plugin options: {}",
            status.message()
        )),
    };
    // Who does not wait for the answer does not need it.
    let _ = answer.send(outcome);
    let mut listing = connected?.list().await?;
    info!(resource, "a device plugin is there");
    while let Some(devices) = listing.next().await {
        let concerned = desk.list(resource, devices).await;
        wake(inbox, concerned).await;
    }
    Ok(())
}

/// The status of these pods has to be told anew.
async fn wake(inbox: &mpsc::Sender<Input>, pods: BTreeSet<PodUid>) {
    for uid in pods {
        // A loop that has ended tells nothing any more.
        let _ = inbox.send(Input::RuntimeChanged(uid)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coming(way: Way, resource: &str, version: &str) -> Result<(), String> {
        admit(&Introduction {
            way,
            resource: resource.to_owned(),
            endpoint: "a.sock".to_owned(),
            versions: vec![version.to_owned()],
        })
    }

    #[test]
    fn only_plugins_of_the_right_version_and_with_a_domain_are_let_in() {
        assert_eq!(coming(Way::Registers, "example.com/gpu", "v1beta1"), Ok(()));
        let rows = [
            (
                coming(Way::Registers, "example.com/gpu", "v1"),
                "requested API version \"v1\" is not supported by kubelet. Supported version is \
                 [\"v1beta1\"]",
            ),
            (
                coming(Way::Found, "example.com/gpu", "v1"),
                "manager version, v1beta1, is not among plugin supported versions [v1]",
            ),
            (
                coming(Way::Registers, "gpu", "v1beta1"),
                "the ResourceName \"gpu\" is invalid",
            ),
            (
                coming(Way::Found, "kubernetes.io/gpu", "v1beta1"),
                "invalid name of device plugin socket: the ResourceName \"kubernetes.io/gpu\" is \
                 invalid",
            ),
        ];
        for (outcome, expected) in rows {
            assert_eq!(outcome, Err(expected.to_owned()));
        }
    }
}
