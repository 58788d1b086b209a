//! How plugins say what they are, and are told what becomes of them: the only file that knows the messages.

use std::path::{Path, PathBuf};
use std::time::Duration;

use podling_proto::pluginregistration as registration;
use podling_proto::pluginregistration::registration_client::RegistrationClient;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Status};

use super::Introduction;
use crate::cri::unix_channel;

/// How long a plugin may take to say what it is.
const ANSWER: Duration = Duration::from_secs(10);
/// How long it may take until it listens; it is asked again later.
const REACH: Duration = Duration::from_secs(1);
/// How often it is tried.
const TRY: Duration = Duration::from_millis(50);

/// Asks until it listens.
async fn introduce_at_length(socket: &Path) -> Result<(String, Introduction), Status> {
    let client = RegistrationClient::new(unix_channel(socket.to_owned()));
    let until = Instant::now() + REACH;
    let info = loop {
        let asked = client.clone().get_info(registration::InfoRequest {}).await;
        match asked {
            Err(status) if status.code() == Code::Unavailable && Instant::now() < until => {
                sleep(TRY).await;
            }
            asked => break asked?.into_inner(),
        }
    };
    let endpoint = match info.endpoint.as_str() {
        "" => socket.to_owned(),
        endpoint => PathBuf::from(endpoint),
    };
    let introduction = Introduction {
        name: info.name,
        endpoint,
        versions: info.supported_versions,
        socket: socket.to_owned(),
    };
    Ok((info.r#type, introduction))
}

/// The kind of a plugin, and what it says.
pub(super) async fn introduce(socket: &Path) -> Result<(String, Introduction), Status> {
    let asked = timeout(ANSWER, introduce_at_length(socket)).await;
    asked.unwrap_or_else(|_| Err(silent()))
}

/// Tells a plugin whether it is known now.
pub(super) async fn inform(socket: &Path, outcome: Result<(), String>) -> Result<(), Status> {
    let mut client = RegistrationClient::new(unix_channel(socket.to_owned()));
    let status = registration::RegistrationStatus {
        plugin_registered: outcome.is_ok(),
        error: outcome.err().unwrap_or_default(),
    };
    let told = timeout(ANSWER, client.notify_registration_status(status)).await;
    told.unwrap_or_else(|_| Err(silent())).map(drop)
}

fn silent() -> Status {
    Status::deadline_exceeded("the plugin does not answer")
}
