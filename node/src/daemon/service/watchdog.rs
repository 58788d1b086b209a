//! The watchdog of the service manager: told that the node is well only after it has been asked.
//!
//! A runtime is well when a connection to its socket is taken and its pods are listed; a kubelet when
//! its `/healthz` says so. A node that does not answer in time is not well, and the service manager
//! starts it anew: its pods do not notice.

use std::env;
use std::path::Path;
use std::time::Duration;

use podling_runtime::layout::Layout;
use tokio::time::{sleep, timeout};

use super::notify::Notifier;
use crate::cri;
use crate::kubelet::Kubelet;

/// Who is asked whether it is well.
pub(in crate::daemon) struct Patient<'a> {
    /// The runtime's socket, if the runtime is ours.
    pub(in crate::daemon) socket: Option<&'a Path>,
    /// The root of our kubelet, if there is one.
    pub(in crate::daemon) kubelet: Option<&'a Layout>,
}

type Answer = Result<(), Box<dyn std::error::Error>>;

impl Patient<'_> {
    async fn is_well(&self) -> Answer {
        if let Some(socket) = self.socket {
            cri::count_pods(cri::connect(socket).await?).await?;
        }
        if let Some(layout) = self.kubelet {
            Kubelet::of(layout).health().await?;
        }
        Ok(())
    }
}

/// How long the service manager waits, if it watches this process.
pub(super) fn limit_of_environment() -> Option<Duration> {
    let watched = env::var("WATCHDOG_PID").ok();
    let limit = env::var("WATCHDOG_USEC").ok();
    limit_for(watched.as_deref(), limit.as_deref(), std::process::id())
}

fn limit_for(watched: Option<&str>, limit: Option<&str>, process: u32) -> Option<Duration> {
    let is_us = watched.is_none_or(|pid| pid.parse() == Ok(process));
    let limit = limit?.parse().ok().filter(|&limit| limit > 0 && is_us)?;
    Some(Duration::from_micros(limit))
}

/// Asks twice within the limit, and tells that all is well when it is.
pub(super) async fn run(notifier: &Notifier, limit: Duration, patient: &Patient<'_>) {
    let pause = limit / 4;
    loop {
        match timeout(limit / 2, patient.is_well()).await {
            Ok(Ok(())) => notifier.send("WATCHDOG=1"),
            Ok(Err(error)) => {
                let error = &*error as &dyn std::error::Error;
                tracing::warn!(error, "the node is not well: the watchdog is not told");
            }
            Err(_) => tracing::warn!("the node does not answer: the watchdog is not told"),
        }
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn only_the_process_that_is_meant_is_watched() {
        let second = Some(Duration::from_secs(1));
        for (watched, limit, expected) in [
            (None, None, None),
            (None, Some("1000000"), second),
            (Some("7"), Some("1000000"), second),
            (Some("8"), Some("1000000"), None),
            (Some("x"), Some("1000000"), None),
            (Some("7"), Some("0"), None),
            (Some("7"), Some("soon"), None),
        ] {
            assert_eq!(
                limit_for(watched, limit, 7),
                expected,
                "{watched:?} {limit:?}"
            );
        }
    }

    #[tokio::test]
    async fn the_watchdog_hears_of_a_node_that_is_well_and_nothing_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let notifier = Notifier::to(Some(path.as_os_str()));
        let mut buffer = [0; 64];

        let nobody = dir.path().join("nobody.sock");
        let ill = Patient {
            socket: Some(&nobody),
            kubelet: None,
        };
        let watched = run(&notifier, Duration::from_millis(20), &ill);
        assert!(timeout(Duration::from_millis(100), watched).await.is_err());
        assert!(socket.recv(&mut buffer).is_err(), "nobody was well");

        let well = Patient {
            socket: None,
            kubelet: None,
        };
        let heard = async {
            loop {
                match socket.recv(&mut buffer) {
                    Ok(length) => break buffer[..length].to_vec(),
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        tokio::select! {
            () = run(&notifier, Duration::from_secs(10), &well) => panic!("it never ends"),
            heard = heard => assert_eq!(heard, b"WATCHDOG=1"),
        }
    }
}
