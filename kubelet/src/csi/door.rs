//! The door of drivers: who speaks our version and knows the node is let in.

use std::path::Path;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::NAME;
use super::drivers::{Drivers, Registered, Version};
use crate::plugin::{Introduction, Knock, Refusal};

/// Lets drivers in until `stop`.
pub(crate) async fn run(
    drivers: Drivers,
    mut knocks: mpsc::Receiver<Knock>,
    stop: CancellationToken,
) {
    let mut asked = JoinSet::new();
    loop {
        // Nothing is lost by stopping a wait; a driver that is asked now is asked again by the next kubelet.
        tokio::select! {
            () = stop.cancelled() => return,
            Some(knock) = knocks.recv() => match knock {
                Knock::Comes(introduction, answer) => {
                    asked.spawn(let_in(drivers.clone(), introduction, answer));
                }
                Knock::Leaves(socket) => {
                    if let Some(driver) = drivers.remove(&socket) {
                        info!(driver, "a CSI driver's socket is gone");
                    }
                }
            },
            _ = asked.join_next(), if !asked.is_empty() => {}
        }
    }
}

async fn let_in(
    drivers: Drivers,
    introduction: Introduction,
    answer: oneshot::Sender<Result<(), Refusal>>,
) {
    let registered = register(&drivers, &introduction).await;
    // Who does not wait for the answer does not need it.
    let _ = answer.send(registered);
}

async fn register(drivers: &Drivers, introduction: &Introduction) -> Result<(), Refusal> {
    let Introduction {
        name,
        endpoint,
        versions,
        socket,
    } = introduction;
    let known = drivers.get(name);
    let rival = known.filter(|known| known.socket != *socket);
    let version = admit(name, versions, rival.map(|rival| rival.version));
    let version = version.map_err(|why| Refusal::ForGood(validation(name, endpoint, &why)))?;
    let info = drivers.at(name, endpoint).node_info().await;
    let info = info.map_err(|error| Refusal::ForNow(error.to_string()))?;
    if info.id.is_empty() {
        let why = "error adding CSI driver node info: driverNodeID must not be empty";
        return Err(Refusal::ForGood(why.to_owned()));
    }
    if socket.exists() {
        let driver = Registered {
            socket: socket.clone(),
            endpoint: endpoint.clone(),
            version,
            info,
        };
        drivers.insert(name, driver);
    }
    Ok(())
}

fn validation(name: &str, endpoint: &Path, why: &str) -> String {
    let endpoint = endpoint.display();
    format!("validation failed for CSI Driver {name} at endpoint {endpoint}: {why}")
}

/// The version that is spoken with a driver, beside one of the same name that was found elsewhere.
fn admit(name: &str, versions: &[String], rival: Option<Version>) -> Result<Version, String> {
    let failed =
        |why: String| format!("{NAME}: ValidatePlugin for CSI driver {name:?} failed. {why}");
    if versions.is_empty() {
        let why = "Plugin returned an empty list for supported versions";
        return Err(failed(why.to_owned()));
    }
    let spoken = versions.iter().filter_map(|version| read(version));
    let highest = spoken.filter(|version| version[0] <= 1).max();
    let highest = highest.ok_or_else(|| {
        failed(format!(
            "None of the versions specified {versions:?} are supported. err=could not find a highest \
             supported version from versions ({versions:?}) reported by this plugin"
        ))
    })?;
    match rival {
        Some(other) if other >= highest => {
            let [major, minor, patch] = other;
            Err(failed(format!(
                "Another driver with the same name is already registered with a higher supported \
                 version: \"{major}.{minor}.{patch}\""
            )))
        }
        _ => Ok(highest),
    }
}

/// `1.0.0`, `v1.2`.
fn read(text: &str) -> Option<Version> {
    let mut version = [0; 3];
    let parts: Vec<_> = text.trim_start_matches('v').split('.').collect();
    if parts.len() > version.len() {
        return None;
    }
    for (number, part) in version.iter_mut().zip(parts) {
        *number = part.parse().ok()?;
    }
    Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(all: &[&str]) -> Vec<String> {
        all.iter().map(|one| (*one).to_owned()).collect()
    }

    #[test]
    fn only_drivers_of_version_1_are_let_in_and_each_name_once() {
        let admit = |all: &[&str], rival| admit("d", &versions(all), rival);
        assert_eq!(admit(&["0.3.0", "1.4.0", "2.0.0"], None), Ok([1, 4, 0]));
        assert_eq!(admit(&["1.0.0"], Some([0, 3, 0])), Ok([1, 0, 0]));
        let rows = [
            (admit(&[], None), "returned an empty list"),
            (admit(&["2.0.0"], None), "are supported"),
            (admit(&["1.0.0"], Some([1, 0, 0])), "already registered"),
        ];
        for (refused, expected) in rows {
            let why = refused.unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }
}
