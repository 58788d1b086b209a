//! What became of a request for a certificate: pure.
#![deny(clippy::disallowed_methods)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing yet.
    Waits,
    /// Here it is, in PEM.
    Issued(Vec<u8>),
    /// Somebody has refused it, or whoever signs cannot: the words of upstream's kubelet.
    Refused(String),
}

/// Reads a CertificateSigningRequest.
pub(super) fn verdict(request: &Value) -> Verdict {
    let conditions = request["status"]["conditions"].as_array();
    let of_kind = |kind: &str| {
        let mut all = conditions.into_iter().flatten();
        all.find(|one| one["type"] == kind)
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for (kind, what) in [("Denied", "is denied"), ("Failed", "failed")] {
        if let Some(condition) = of_kind(kind) {
            let (reason, message) = (text(&condition["reason"]), text(&condition["message"]));
            return Verdict::Refused(format!(
                "certificate signing request {what}, reason: {reason}, message: {message}"
            ));
        }
    }
    let certificate = request["status"]["certificate"].as_str();
    match (
        of_kind("Approved"),
        certificate.filter(|text| !text.is_empty()),
    ) {
        (Some(_), Some(text)) => match STANDARD.decode(text) {
            Ok(pem) => Verdict::Issued(pem),
            Err(error) => Verdict::Refused(format!("the certificate is no base64: {error}")),
        },
        _ => Verdict::Waits,
    }
}
