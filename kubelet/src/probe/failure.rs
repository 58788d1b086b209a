//! Why a connection failed, in the words that users of other kubelets know.

use std::error::Error;
use std::io;

/// The cause of a connection to an address that failed.
pub(super) fn of_connection(address: &str, error: &io::Error) -> String {
    let what = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused",
        io::ErrorKind::HostUnreachable => "connect: no route to host",
        io::ErrorKind::NetworkUnreachable => "connect: network is unreachable",
        io::ErrorKind::TimedOut => "i/o timeout",
        _ => return format!("dial tcp {address}: {error}"),
    };
    format!("dial tcp {address}: {what}")
}

/// The cause of a request that failed.
pub(super) fn of_request(address: &str, error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            .to_owned();
    }
    match causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .last()
    {
        Some(io) if error.is_connect() => of_connection(address, io),
        Some(io) if io.kind() == io::ErrorKind::ConnectionReset => {
            "read: connection reset by peer".to_owned()
        }
        Some(_) | None => causes(error)
            .last()
            .map_or_else(|| error.to_string(), ToString::to_string),
    }
}

/// A server that answers a greeting of TLS with words.
pub(super) fn is_plain_answer(error: &reqwest::Error) -> bool {
    causes(error)
        .any(|cause| matches!(cause.downcast_ref(), Some(rustls::Error::InvalidMessage(_))))
}

/// All causes, the innermost last. What an I/O error wraps is not its source but itself.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |error| below(*error))
}

fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let wrapped = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match wrapped {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}
