//! The kubelet's HTTP server: what this kubelet runs, and streams into it.
//!
//! ```text
//! door      where it listens: with TLS, read-only, healthz, and a socket for root
//! guest     who asks, and whether he is let in
//! routes    which paths each door has
//! ```
//!
//! The read-only port changes nothing and streams nothing: whoever may reach it may read it. All else
//! is for clients that are known by a certificate or a token, and may do it, or root on this machine.

mod attributes;
mod change;
#[cfg(test)]
mod change_tests;
mod door;
#[cfg(test)]
mod door_tests;
mod events;
mod guest;
mod healthz;
mod journal;
mod log_query;
mod logs;
mod pods;
mod query;
mod refusal;
mod reviews;
mod routes;
mod running;
mod stats;
mod stream;
mod system_logs;
mod table;
#[cfg(test)]
mod tests;
mod tls;
mod watch;
#[cfg(test)]
mod watch_tests;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use door::{Addresses, Doors, ListenError};
pub use guest::Admission;
pub use reviews::{ReviewError, Reviewer, Reviews, User, Wish};
pub use system_logs::{Queries, SystemLogs};
pub use table::PodTable;
pub use tls::{TlsError, TlsSettings, TlsWords, UnknownWord};

use crate::addition::Additions;
use crate::cri::Runtime;
use crate::event::EventLog;
use crate::layout::Layout;
use crate::metrics::Metrics;
use crate::node::Portrait;
use crate::pulse::Pulse;
use crate::summary::Figures;
use crate::sync::Input;
use guest::{Gate, Guest};

/// What can be chosen about a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub addresses: Addresses,
    /// How it speaks TLS.
    pub tls: TlsSettings,
    /// Who is let in through the port with TLS.
    pub admission: Admission,
    /// Who is asked whose a token is, and who may do what.
    pub reviews: Reviews,
    /// Whether it runs commands, shows logs and streams.
    pub debugging: Debugging,
}

/// Whether the server has the paths that let a client into pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Debugging {
    /// `/exec`, `/attach`, `/portForward`, `/run`, `/containerLogs`, `/runningpods/`.
    #[default]
    On,
    /// All of these are refused.
    Off,
}

/// What the server shows.
#[derive(Clone)]
pub struct Exhibits {
    /// Pods with their status.
    pub pods: Arc<PodTable>,
    /// What happened to them.
    pub events: Arc<EventLog>,
    /// Numbers.
    pub metrics: Metrics,
    /// Whether the kubelet lives.
    pub pulse: Pulse,
    /// Where the logs are.
    pub layout: Layout,
    /// The runtime, for what only it can do.
    pub runtime: Arc<dyn Runtime>,
    /// The kubelet's configuration.
    pub configuration: Arc<Map<String, Value>>,
    /// What is used.
    pub figures: Arc<Figures>,
    /// What the node is.
    pub portrait: Arc<Portrait>,
    /// What was added to pods.
    pub additions: Arc<Additions>,
    /// Where the machine's logs are, if they are shown.
    pub system_logs: Option<SystemLogs>,
    /// Where changes are asked for.
    pub inbox: mpsc::Sender<Input>,
}

#[derive(Clone)]
struct Shown {
    exhibits: Exhibits,
    /// Ends the logs that are followed, and streams.
    shutdown: CancellationToken,
}

/// Serves at all doors until `shutdown`.
pub async fn serve(
    doors: Doors,
    settings: &Settings,
    exhibits: Exhibits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let shown = Shown {
        exhibits,
        shutdown: shutdown.clone(),
    };
    let mut serving = JoinSet::new();
    let end = || shutdown.clone().cancelled_owned();
    if let Some(door) = doors.secure {
        let gate = Gate {
            admission: settings.admission,
            reviews: settings.reviews.clone(),
        };
        let router = routes::admitted(shown.clone(), settings.debugging, gate);
        let service = router.into_make_service_with_connect_info::<Guest>();
        serving.spawn(
            axum::serve(door, service)
                .with_graceful_shutdown(end())
                .into_future(),
        );
    }
    if let Some(door) = doors.socket {
        let router = routes::admitted(shown.clone(), Debugging::On, Admission::Known.into());
        let service = router.into_make_service_with_connect_info::<Guest>();
        serving.spawn(
            axum::serve(door, service)
                .with_graceful_shutdown(end())
                .into_future(),
        );
    }
    for (door, router) in [
        (doors.read_only, routes::read_only(shown.clone())),
        (doors.healthz, routes::healthz(shown)),
    ] {
        let Some(door) = door else { continue };
        serving.spawn(
            axum::serve(door, router)
                .with_graceful_shutdown(end())
                .into_future(),
        );
    }
    if serving.is_empty() {
        shutdown.cancelled().await;
    }
    while let Some(ended) = serving.join_next().await {
        ended.map_err(io::Error::other)??;
    }
    Ok(())
}

/// Writes down where the server listens, for clients on this machine.
pub fn write_addresses(file: &Path, addresses: [Option<SocketAddr>; 3]) -> io::Result<()> {
    let [secure, read_only, healthz] = addresses;
    let text = serde_json::json!({ "address": read_only, "secure": secure, "healthz": healthz });
    std::fs::write(file, text.to_string())
}

/// A JSON answer.
fn json(object: &impl serde::Serialize) -> ([(http::HeaderName, &'static str); 1], Vec<u8>) {
    let body = serde_json::to_vec(object).expect("API objects have only text keys");
    ([(http::header::CONTENT_TYPE, "application/json")], body)
}
