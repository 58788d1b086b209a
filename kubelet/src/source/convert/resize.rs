//! What happens to a container when its size changes.

use k8s_openapi::api::core::v1 as core;

use crate::model::{OnResize, ResizePolicy};
use crate::source::problem::Problems;

const POLICIES: &[(&str, OnResize)] = &[
    ("NotRequired", OnResize::NotRequired),
    ("RestartContainer", OnResize::RestartContainer),
];

pub(super) fn policy(
    path: &str,
    container: &core::Container,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> ResizePolicy {
    let field = format!("{path}.resizePolicy");
    let mut policy = ResizePolicy::default();
    let mut seen = Vec::new();
    let all = container.resize_policy.iter().flatten();
    for (index, one) in all.enumerate() {
        let resource = one.resource_name.as_str();
        if seen.contains(&resource) {
            let message = format!("Duplicate value: {resource:?}");
            problems.invalid(format!("{field}[{index}]"), message);
        }
        seen.push(resource);
        let word = problems.word(&field, &one.restart_policy, POLICIES);
        let then = word.unwrap_or_default();
        if then == OnResize::RestartContainer && spec.restart_policy.as_deref() == Some("Never") {
            let message = "Invalid value: \"RestartContainer\": must be 'NotRequired' when pod \
                           `restartPolicy` is 'Never'";
            problems.invalid(&field, message);
        }
        match resource {
            "cpu" => policy.cpu = then,
            "memory" => policy.memory = then,
            "" => problems.required(&field),
            other => problems.unsupported(&field, other, &["cpu", "memory"]),
        }
    }
    let is_sidecar = container.restart_policy.as_deref() == Some("Always");
    let restarts = policy != ResizePolicy::default();
    if restarts && path.starts_with("spec.initContainers") && !is_sidecar {
        let message = "Invalid value: \"RestartContainer\": must be 'NotRequired' for init \
                       containers that are not sidecars";
        problems.invalid(&field, message);
    }
    policy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(policy: &str, pod: &str, path: &str) -> usize {
        let text = format!(r#"{{"name": "a", "resizePolicy": {policy}}}"#);
        let container: core::Container = serde_json::from_str(&text).unwrap();
        let spec = core::PodSpec {
            restart_policy: Some(pod.to_owned()),
            ..core::PodSpec::default()
        };
        let mut problems = Problems::default();
        super::policy(path, &container, &spec, &mut problems);
        problems.0.len()
    }

    #[test]
    fn a_policy_of_resizes_is_of_known_words_and_once_for_each_resource() {
        let (main, init) = ("spec.containers[0]", "spec.initContainers[0]");
        let restart = r#"[{"resourceName": "memory", "restartPolicy": "RestartContainer"}]"#;
        let twice = r#"[{"resourceName": "cpu", "restartPolicy": "NotRequired"},
            {"resourceName": "cpu", "restartPolicy": "NotRequired"}]"#;
        let wrong = r#"[{"resourceName": "disk", "restartPolicy": "Perhaps"}]"#;
        let rows = [
            (restart, "Always", main, 0),
            (restart, "Never", main, 1),
            (restart, "Always", init, 1),
            (twice, "Always", main, 1),
            (wrong, "Always", main, 2),
        ];
        for (policy, pod, path, expected) in rows {
            assert_eq!(
                problems(policy, pod, path),
                expected,
                "{policy} {pod} {path}"
            );
        }
    }
}
