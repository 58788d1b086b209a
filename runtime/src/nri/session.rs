//! A plugin's way in: it registers, is configured, is told what is there, and from then on is asked;
//! its own requests are answered here.

use std::time::Duration;

use podling_proto::nri as wire;
use podling_proto::ttrpc;
use prost::Message;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Gate;
use super::changes::Work;
use super::connection::{self, CallError, Connection, Outcome, Request, code};
use super::events::EventMask;
use super::hub::Ask;
use super::merge::Changes;
use super::plugin::{self, Identity, IdentityError, Plugin, SynchronizeError};

/// The service that the runtime serves.
const SERVICE: &str = "nri.pkg.api.v1alpha1.Runtime";
/// Which NRI this is.
const NRI_VERSION: &str = "v0.12.0";

/// What every session works with.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) asks: mpsc::UnboundedSender<Ask>,
    pub(super) changes: mpsc::UnboundedSender<Work>,
    pub(super) gate: Gate,
    pub(super) tasks: TaskTracker,
    pub(super) shutdown: CancellationToken,
    pub(super) registration_timeout: Duration,
    pub(super) request_timeout: Duration,
}

/// A plugin that was started by the runtime: what it is called does not depend on what it says.
#[derive(Clone, Debug)]
pub(super) struct Launched {
    pub(super) identity: Identity,
    pub(super) config: String,
}

/// Why a plugin is not let in.
#[derive(Debug, thiserror::Error)]
enum AdmitError {
    #[error("plugin registration timed out")]
    RegistrationTimedOut,
    #[error("the connection was closed before the plugin registered")]
    Closed,
    #[error("its first request is not to register")]
    NoRegistration,
    #[error("its registration cannot be understood")]
    Garbled(#[from] prost::DecodeError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("configure it")]
    Configure(#[source] CallError),
    #[error("invalid plugin events: {0:#x}")]
    Events(i32),
    #[error("synchronize it")]
    Synchronize(#[from] SynchronizeError),
    #[error("the runtime is stopping")]
    Stopping,
}

/// Lets a plugin in and answers it until it is gone.
pub(super) async fn serve(socket: UnixStream, launched: Option<Launched>, context: Context) {
    let (connection, mut requests) = connection::open(socket, &context.tasks);
    let name = launched
        .as_ref()
        .map(|launched| launched.identity.to_string());
    let admitted = tokio::select! {
        // Cancelling loses nothing: nobody relies on the plugin yet.
        () = context.shutdown.cancelled() => Err(AdmitError::Stopping),
        admitted = admit(&connection, &mut requests, launched, &context) => admitted,
    };
    if let Err(why) = admitted {
        let error = &why as &dyn std::error::Error;
        tracing::warn!(plugin = name, error, "an NRI plugin is not let in");
        connection.close();
        return;
    }
    // The hub ends the connection when the runtime stops.
    while let Some(request) = requests.recv().await {
        let outcome = answer(&request, &context).await;
        connection.reply(request.stream, outcome);
    }
    // The hub may be gone before its plugins.
    let _ = context.asks.send(Ask::Sweep);
}

async fn admit(
    connection: &Connection,
    requests: &mut mpsc::Receiver<Request>,
    launched: Option<Launched>,
    context: &Context,
) -> Result<(), AdmitError> {
    let first = timeout(context.registration_timeout, requests.recv()).await;
    let first = first
        .map_err(|_| AdmitError::RegistrationTimedOut)?
        .ok_or(AdmitError::Closed)?;
    let (identity, config) = match register(&first, launched) {
        Ok(registered) => {
            connection.reply(first.stream, Ok(Vec::new()));
            registered
        }
        Err(why) => {
            connection.reply(first.stream, Err(invalid(why.to_string())));
            return Err(why);
        }
    };
    tracing::info!(plugin = %identity, "an NRI plugin has registered");
    let events = configure(connection, config, context).await?;
    let limit = context.request_timeout;
    let plugin = Plugin::new(identity, connection.clone(), events, limit);
    // Nothing is half made while the plugin is told what is there: it hears of the rest.
    let _still = context.gate.everything().await;
    let (reply, joined) = oneshot::channel();
    let ask = Ask::Join(Box::new(plugin), reply);
    context.asks.send(ask).map_err(|_| AdmitError::Stopping)?;
    Ok(joined.await.map_err(|_| AdmitError::Stopping)??)
}

fn register(
    request: &Request,
    launched: Option<Launched>,
) -> Result<(Identity, String), AdmitError> {
    if (request.service.as_str(), request.method.as_str()) != (SERVICE, "RegisterPlugin") {
        return Err(AdmitError::NoRegistration);
    }
    let said = wire::RegisterPluginRequest::decode(request.payload.as_slice())?;
    match launched {
        Some(Launched { identity, config }) => Ok((identity, config)),
        None => {
            let identity = Identity::new(&said.plugin_idx, &said.plugin_name)?;
            Ok((identity, String::new()))
        }
    }
}

async fn configure(
    connection: &Connection,
    config: String,
    context: &Context,
) -> Result<EventMask, AdmitError> {
    let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let request = wire::ConfigureRequest {
        config,
        runtime_name: "podling".to_owned(),
        runtime_version: env!("CARGO_PKG_VERSION").to_owned(),
        registration_timeout: milliseconds(context.registration_timeout),
        request_timeout: milliseconds(context.request_timeout),
        nri_version: NRI_VERSION.to_owned(),
    };
    let payload = request.encode_to_vec();
    let answer = plugin::call(connection, "Configure", payload, context.request_timeout).await;
    let answer = answer.map_err(AdmitError::Configure)?;
    let answer = wire::ConfigureResponse::decode(answer.as_slice());
    let answer = answer.map_err(|error| AdmitError::Configure(error.into()))?;
    EventMask::subscribed(answer.events).map_err(AdmitError::Events)
}

/// What a plugin asks for once it is in.
async fn answer(request: &Request, context: &Context) -> Outcome {
    match (request.service.as_str(), request.method.as_str()) {
        (SERVICE, "UpdateContainers") => {
            let wanted = wire::UpdateContainersRequest::decode(request.payload.as_slice())
                .map_err(|error| invalid(error.to_string()))?;
            let failed = update(wanted, context).await;
            Ok(wire::UpdateContainersResponse { failed }.encode_to_vec())
        }
        (SERVICE, "RegisterPlugin") => Err(invalid("the plugin is registered already".to_owned())),
        (service, method) => Err(ttrpc::Status {
            code: code::UNIMPLEMENTED,
            message: format!("unknown method {service}/{method}"),
        }),
    }
}

async fn update(
    wanted: wire::UpdateContainersRequest,
    context: &Context,
) -> Vec<wire::ContainerUpdate> {
    let all = wanted.update.clone();
    let (reply, failed) = oneshot::channel();
    let work = Work {
        changes: Changes {
            updates: wanted.update,
            evictions: wanted.evict,
        },
        failed: Some(reply),
    };
    // The runtime stops: then nothing was updated.
    if context.changes.send(work).is_err() {
        return all;
    }
    failed.await.unwrap_or(all)
}

fn invalid(message: String) -> ttrpc::Status {
    ttrpc::Status {
        code: code::INVALID_ARGUMENT,
        message,
    }
}
