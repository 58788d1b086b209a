//! What a pod asks for that the runtime does not give: pure.

#![deny(clippy::disallowed_methods)]

use crate::cri::RuntimeFeatures;
use crate::model::{PodSpec, SupplementalGroupsPolicy, UserMode};

/// Why a pod does not run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// One word.
    pub(super) reason: &'static str,
    /// A sentence.
    pub(super) message: String,
}

/// Whether the runtime has to be asked what it can.
pub(super) fn needs_features(spec: &PodSpec) -> bool {
    spec.namespaces.user == UserMode::Pod
        || spec.security.supplemental_groups_policy == SupplementalGroupsPolicy::Strict
}

/// What stands against running the pod, if anything does.
pub(super) fn refusal(
    spec: &PodSpec,
    features: &RuntimeFeatures,
    handler: &str,
) -> Option<Refusal> {
    let is_strict = spec.security.supplemental_groups_policy == SupplementalGroupsPolicy::Strict;
    if is_strict && !features.supplemental_groups_policy {
        return Some(Refusal {
            reason: "SupplementalGroupsPolicyNotSupported",
            message: "SupplementalGroupsPolicy=Strict is not supported in this node".to_owned(),
        });
    }
    if spec.namespaces.user == UserMode::Pod && !features.handler(handler).user_namespaces {
        let who = match handler {
            "" => "runtime".to_owned(),
            name => format!("RuntimeClass handler {name:?}"),
        };
        return Some(Refusal {
            reason: "FailedCreatePodSandBox",
            message: format!(
                "Failed to create pod sandbox: can't set `spec.hostUsers: false`, {who} does not \
                 support user namespaces"
            ),
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cri::HandlerFeatures;
    use crate::model::RestartPolicy;
    use crate::plan::fixture;

    #[test]
    fn what_the_runtime_cannot_is_refused() {
        let mut pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
        pod.spec.namespaces.user = UserMode::Pod;
        let refused = refusal(&pod.spec, &RuntimeFeatures::default(), "");
        assert!(refused.is_some_and(|told| told.message.contains("user namespaces")));
        let can = RuntimeFeatures {
            handlers: [(
                String::new(),
                HandlerFeatures {
                    user_namespaces: true,
                    ..HandlerFeatures::default()
                },
            )]
            .into(),
            ..RuntimeFeatures::default()
        };
        assert_eq!(refusal(&pod.spec, &can, ""), None);
        pod.spec.security.supplemental_groups_policy = SupplementalGroupsPolicy::Strict;
        let refusal = refusal(&pod.spec, &can, "");
        assert_eq!(
            refusal.map(|refusal| refusal.reason),
            Some("SupplementalGroupsPolicyNotSupported")
        );
    }
}
