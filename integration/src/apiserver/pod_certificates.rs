//! Certificates of pods: what a node may ask for and see, and how a signer answers.

use std::time::Duration;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::address::Address;
use super::signing::Authority;
use super::store::{Key, Store};
use super::verbs::Refusal;

const REQUESTS: &str = "podcertificaterequests.certificates.k8s.io";

/// A node asks for its own pods, and says truly whose they are.
pub(super) fn may_ask(
    store: &Store,
    user: &str,
    address: &Address,
    body: &Value,
) -> Result<(), Refusal> {
    let Some(node) = user.strip_prefix("system:node:") else {
        return Ok(());
    };
    if address.resource != REQUESTS {
        return Ok(());
    }
    let spec = &body["spec"];
    let word = |name: &str| spec[name].as_str().unwrap_or_default();
    let uid_of = |resource: &str, namespace: &str, name: &str| {
        let key = Key {
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        store
            .get(&key)
            .map(|object| object["metadata"]["uid"].clone())
    };
    let namespace = &address.namespace;
    let is_true = word("nodeName") == node
        && uid_of("nodes", "", node) == Some(spec["nodeUID"].clone())
        && uid_of("pods", namespace, word("podName")) == Some(spec["podUID"].clone())
        && uid_of("serviceaccounts", namespace, word("serviceAccountName"))
            == Some(spec["serviceAccountUID"].clone());
    match is_true {
        true => Ok(()),
        false => Err(forbidden(format!(
            "{user} may not ask for the certificate of {spec}"
        ))),
    }
}

/// A node sees the requests that are its own.
pub(super) fn may_list(user: &str, address: &Address, fields: Option<&str>) -> Result<(), Refusal> {
    let Some(node) = user.strip_prefix("system:node:") else {
        return Ok(());
    };
    let own = format!("spec.nodeName={node}");
    let mut fields = fields.unwrap_or_default().split(',');
    match address.resource != REQUESTS || fields.any(|field| field == own) {
        true => Ok(()),
        false => Err(forbidden(
            "can only list/watch podcertificaterequests with nodeName field selector".to_owned(),
        )),
    }
}

fn forbidden(message: String) -> Refusal {
    Refusal(StatusCode::FORBIDDEN, "Forbidden", message)
}

/// How long a certificate is good, and from when on the next one is to be asked for.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// From the beginning until the next one is asked for.
    pub renewed_after: Duration,
    /// From the beginning to the end.
    pub lifetime: Duration,
}

impl Validity {
    /// The same, in minutes.
    pub fn minutes(renewed_after: u64, lifetime: u64) -> Self {
        Self {
            renewed_after: Duration::from_secs(60 * renewed_after),
            lifetime: Duration::from_secs(60 * lifetime),
        }
    }
}

/// The status that a signer gives a request of a pod when it issues a certificate.
pub fn issued(request: &Value, validity: Validity) -> Value {
    let authority = Authority::new();
    // A certificate knows whole seconds, and a cluster wants the same of the status.
    let now = Timestamp::from_second(Timestamp::now().as_second()).expect("now is a time");
    let after = |time: Duration| {
        let time = SignedDuration::try_from(time).expect("it is short");
        now + time
    };
    let ends = after(validity.lifetime);
    let chain = authority.pod(&request["spec"], now.into(), ends.into());
    let chain = chain.expect("the request is well formed") + &authority.pem;
    json!({ "status": {
        "conditions": [{
            "type": "Issued", "status": "True", "reason": "Test", "message": "the test says so",
            "lastTransitionTime": now.to_string(),
        }],
        "certificateChain": chain,
        "notBefore": now.to_string(),
        "beginRefreshAt": after(validity.renewed_after).to_string(),
        "notAfter": ends.to_string(),
    }})
}
