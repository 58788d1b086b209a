//! Status: whether runtime and network are ready, what can be asked of them, and more for who looks
//! closely.

use std::collections::BTreeMap;
use std::sync::Arc;

use podling_proto::runtime::v1 as cri;
use tonic::{Response, Status};

use super::encode::runtime_handler;
use super::info;
use super::runtime_service::Answer;
use crate::lifecycle::Lifecycle;
use crate::network::Readiness;

/// Looks at the runtime now; `verbose` as the contract has it.
pub(super) async fn answer(
    lifecycle: &Lifecycle,
    elsewhere: info::Addresses,
    verbose: bool,
) -> Answer<cri::StatusResponse> {
    let parts = lifecycle.parts();
    let network = Arc::clone(&parts.network);
    let network = tokio::task::spawn_blocking(move || network.status()).await;
    let network = network.map_err(|error| Status::internal(error.to_string()))?;
    let info = if verbose {
        info::of_runtime(lifecycle, &network, elsewhere)
    } else {
        BTreeMap::new()
    };
    Ok(Response::new(cri::StatusResponse {
        status: Some(cri::RuntimeStatus {
            conditions: conditions(network.readiness),
        }),
        info,
        runtime_handlers: parts.handlers.all().map(runtime_handler).collect(),
        features: Some(cri::RuntimeFeatures {
            supplemental_groups_policy: true,
            user_namespaces_host_network: parts.host.user_namespaces,
            mount_options: true,
        }),
    }))
}

fn conditions(network: Readiness) -> Vec<cri::RuntimeCondition> {
    let condition = |name: &str, readiness| {
        let (status, reason, message) = match readiness {
            Readiness::Ready { remark } => (true, "", remark),
            Readiness::NotReady { reason, message } => (false, reason, message),
        };
        cri::RuntimeCondition {
            r#type: name.to_owned(),
            status,
            reason: reason.to_owned(),
            message,
        }
    };
    let remark = String::new();
    vec![
        condition("RuntimeReady", Readiness::Ready { remark }),
        condition("NetworkReady", network),
    ]
}
