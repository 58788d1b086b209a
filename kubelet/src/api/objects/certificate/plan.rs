//! What is asked of who signs certificates of pods, what he has said, and when one is late: pure.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1 as core;
use serde_json::{Value, json};

use crate::certificate::pem_of_certificates;
use crate::model::CertificateWish;

/// How long after its time a certificate that was not replaced is overdue.
const OVERDUE: SignedDuration = SignedDuration::from_secs(10 * 60);

/// The longest time that is left to chance.
const CHANCE: Duration = Duration::from_secs(5 * 60);

/// Who asks for a certificate, and what for.
#[derive(Clone, Debug)]
pub(super) struct Asker<'a> {
    pub(super) pod: &'a core::Pod,
    pub(super) source: &'a core::PodCertificateProjection,
    pub(super) account_uid: &'a str,
    pub(super) node_uid: &'a str,
}

/// What a source of a pod asks for.
pub(super) fn source_of<'a>(
    pod: &'a core::Pod,
    wish: &CertificateWish,
) -> Option<&'a core::PodCertificateProjection> {
    let mut volumes = pod.spec.as_ref()?.volumes.iter().flatten();
    let volume = volumes.find(|volume| volume.name == wish.volume)?;
    let sources = volume.projected.as_ref()?.sources.as_ref()?;
    sources.get(wish.source)?.pod_certificate.as_ref()
}

/// The request, which shows that who asks has the key.
pub(super) fn request(asker: &Asker<'_>, proof: &[u8]) -> Value {
    let metadata = &asker.pod.metadata;
    let spec = asker.pod.spec.as_ref();
    let account = spec.and_then(|spec| spec.service_account_name.as_deref());
    let mut of = json!({
        "signerName": asker.source.signer_name,
        "podName": metadata.name,
        "podUID": metadata.uid,
        "serviceAccountName": account,
        "serviceAccountUID": asker.account_uid,
        "nodeName": spec.and_then(|spec| spec.node_name.as_deref()),
        "nodeUID": asker.node_uid,
        "stubPKCS10Request": STANDARD.encode(proof),
    });
    if let Some(seconds) = asker.source.max_expiration_seconds {
        of["maxExpirationSeconds"] = seconds.into();
    }
    if let Some(annotations) = &asker.source.user_annotations {
        of["unverifiedUserAnnotations"] = json!(annotations);
    }
    json!({
        "apiVersion": "certificates.k8s.io/v1beta1",
        "kind": "PodCertificateRequest",
        "metadata": {
            "generateName": "req-",
            "namespace": metadata.namespace,
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Pod", "name": metadata.name, "uid": metadata.uid,
            }],
        },
        "spec": of,
    })
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing yet.
    Waits,
    /// There is a certificate.
    Issued(Issued),
    /// There will be none.
    Refused(Refused),
}

/// A certificate with those above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Issued {
    /// Nothing but certificates, as PEM.
    pub(super) chain: String,
    /// When the next one shall be asked for.
    pub(super) renewed_from: Timestamp,
    /// How long it is good.
    pub(super) until: Timestamp,
}

impl Issued {
    /// When the next one is asked for: up to five minutes after its signer's time, so that pods that came
    /// together do not ask together, but no more than a tenth of what is left then.
    pub(super) fn asked_again_at(&self, chance: f64) -> Timestamp {
        let left = self.until.duration_since(self.renewed_from);
        let left = Duration::try_from(left).unwrap_or_default();
        let after = CHANCE.min(left / 10).mul_f64(chance.clamp(0.0, 1.0));
        self.renewed_from
            .checked_add(after)
            .unwrap_or(self.renewed_from)
    }

    /// After this it should have been replaced.
    pub(super) fn late_from(&self) -> Timestamp {
        let late_from = self.renewed_from.checked_add(OVERDUE);
        late_from.unwrap_or(self.until)
    }
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// `Denied` or `Failed`.
    pub(super) how: &'static str,
    pub(super) reason: String,
    pub(super) message: String,
}

impl Refused {
    /// What it is counted as.
    pub(super) fn word(&self) -> &'static str {
        match self.how {
            "Denied" => "denied",
            _ => "failed",
        }
    }

    /// In the words of a volume that cannot be made.
    pub(super) fn of_volume(&self) -> String {
        let Self {
            how,
            reason,
            message,
        } = self;
        let how = how.to_ascii_lowercase();
        format!(
            "PodCertificateRequest was permanently {how}: reason={reason:?} message={message:?}"
        )
    }

    /// In the words of an event about a request of this name.
    pub(super) fn of_event(&self, request: &str) -> String {
        let Self {
            how,
            reason,
            message,
        } = self;
        let how = match *how {
            "Denied" => "was denied",
            _ => "failed",
        };
        format!("PodCertificateRequest {request} {how}, reason={reason:?}, message={message:?}")
    }
}

/// What a request says has become of it.
pub(super) fn verdict(request: &Value) -> Verdict {
    let status = &request["status"];
    let conditions = status["conditions"].as_array().into_iter().flatten();
    for condition in conditions {
        let word = |name: &str| condition[name].as_str().unwrap_or_default().to_owned();
        let refused = |how| {
            let (reason, message) = (word("reason"), word("message"));
            Verdict::Refused(Refused {
                how,
                reason,
                message,
            })
        };
        match condition["type"].as_str() {
            Some("Denied") => return refused("Denied"),
            Some("Failed") => return refused("Failed"),
            Some("Issued") => return issued(status),
            _ => {}
        }
    }
    Verdict::Waits
}

fn issued(status: &Value) -> Verdict {
    let time = |name: &str| status[name].as_str()?.parse::<Timestamp>().ok();
    let chain = status["certificateChain"].as_str().unwrap_or_default();
    let chain = pem_of_certificates(chain.as_bytes());
    match (time("beginRefreshAt"), time("notAfter")) {
        (Some(renewed_from), Some(until)) if !chain.is_empty() => Verdict::Issued(Issued {
            chain,
            renewed_from,
            until,
        }),
        // An API server lets no signer say less.
        _ => Verdict::Refused(Refused {
            how: "Failed",
            reason: "Incomplete".to_owned(),
            message: "it is issued without a chain, beginRefreshAt or notAfter".to_owned(),
        }),
    }
}

/// How late a certificate is that was not replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lateness {
    InTime,
    Overdue,
    Expired,
}

impl Lateness {
    /// How late the one after it is.
    pub(super) fn of(issued: &Issued, now: Timestamp) -> Self {
        match () {
            () if now > issued.until => Self::Expired,
            () if now > issued.late_from() => Self::Overdue,
            () => Self::InTime,
        }
    }

    /// What is told of it, once for each certificate.
    pub(super) fn words(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::InTime => None,
            Self::Overdue => Some((
                "CertificateOverdueForRefresh",
                "PodCertificate refresh overdue",
            )),
            Self::Expired => Some(("CertificateExpired", "PodCertificate expired")),
        }
    }
}
