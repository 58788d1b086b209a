//! Starts the interface: one hub, one task for changes, and ways in for plugins.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::domain::Domain;
use super::hub::{Ask, Hub};
use super::session::Context;
use super::settings::{Settings, Socket};
use super::{Activity, Gate, Nri, changes, installed, listener};

/// Why the interface cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The socket that was asked for cannot be had.
    #[error("listen for NRI plugins on {path}: choose another with --nri-socket, or none with --disable-nri", path = path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The interface, not yet started. Dropped, it stays off.
#[derive(Debug)]
pub struct Service {
    nri: Nri,
    asks: mpsc::UnboundedReceiver<Ask>,
}

/// What the runtime holds, and what is started once the runtime can answer plugins.
pub fn prepare() -> (Nri, Service) {
    let (sender, asks) = mpsc::unbounded_channel();
    let nri = Nri {
        asks: sender,
        activity: Activity::default(),
        gate: Gate::new(),
    };
    let service = Service {
        nri: nri.clone(),
        asks,
    };
    (nri, service)
}

impl Service {
    /// Starts what goes on until `shutdown`; returns when plugins can connect.
    pub async fn start(
        self,
        settings: Settings,
        domain: Arc<dyn Domain>,
        tasks: &TaskTracker,
        shutdown: CancellationToken,
    ) -> Result<(), StartError> {
        let socket = open(settings.socket.as_ref()).await?;
        let Self { nri, asks } = self;
        let (changes, work) = mpsc::unbounded_channel();
        tasks.spawn(changes::run(Arc::clone(&domain), work, shutdown.clone()));
        let hub = Hub::new(domain, changes.clone(), nri.activity.clone());
        tasks.spawn(hub.run(asks, shutdown.clone()));
        let context = Context {
            asks: nri.asks,
            changes,
            gate: nri.gate,
            tasks: tasks.clone(),
            shutdown,
            registration_timeout: settings.registration_timeout,
            request_timeout: settings.request_timeout,
        };
        // They come first, as far as they are quick: others find them in their places.
        installed::start_all(&settings.plugin_dir, &settings.config_dir, &context);
        if let Some(socket) = socket {
            tasks.spawn(listener::accept(socket, context));
        }
        Ok(())
    }
}

/// The socket, if there is to be one and, unless somebody has asked for it, if it can be had.
async fn open(socket: Option<&Socket>) -> Result<Option<UnixListener>, StartError> {
    match socket {
        None => Ok(None),
        Some(Socket::Asked(path)) => {
            let listener = listener::listen(path).await;
            let listener = listener.map_err(|source| StartError::Listen {
                path: path.clone(),
                source,
            })?;
            Ok(Some(listener))
        }
        Some(Socket::Usual(path)) => match listener::listen(path).await {
            Ok(listener) => Ok(Some(listener)),
            Err(error) => {
                let (path, error) = (path.display(), &error as &dyn std::error::Error);
                tracing::warn!(%path, error, "NRI plugins cannot connect");
                Ok(None)
            }
        },
    }
}
