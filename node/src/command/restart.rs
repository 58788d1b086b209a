//! `podling restart`: containers begin anew where they are.

use std::process::ExitCode;

use podling_runtime::layout::Layout;
use serde::Deserialize;
use serde_json::Value;

use super::until::{Judgement, UntilError, container_status, one, until};
use super::{Outcome, output};
use crate::args::RestartArguments;
use crate::kubelet::{Kubelet, Path, pod};

/// What the kubelet restarts, as it was before.
#[derive(Debug, Deserialize)]
struct Restarting {
    containers: Vec<Before>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Before {
    name: String,
    #[serde(rename = "containerID")]
    container_id: String,
}

pub(super) async fn run(layout: &Layout, arguments: &RestartArguments) -> Outcome {
    let kubelet = Kubelet::of(layout);
    let pods = kubelet.pods().await?;
    let pod = pod::find(&pods, &arguments.namespace.namespace, &arguments.pod)?;
    let path = Path::of(["pods", pod.namespace(), pod.name(), "restart"]);
    let names = arguments.container.iter();
    let path = names.fold(path, |path, name| path.with("container", name));
    let restarting: Restarting = kubelet.post(path.as_str(), &Value::Null).await?;
    let selection = one(pod.namespace(), pod.name());
    let judge = |now: Option<&Value>| judge(now, &restarting.containers);
    let restarted = until(&kubelet, selection, Some(arguments.timeout), judge).await;
    for (name, count) in restarted? {
        let pod = pod.name();
        output::print(&format!(
            "pod/{pod} container {name} restarted (restarts: {count})\n"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Each container with its restarts, once every one is another than before.
fn judge(pod: Option<&Value>, before: &[Before]) -> Judgement<Vec<(String, i64)>> {
    let pod = pod.ok_or_else(|| UntilError::Hopeless("the pod has gone".to_owned()))?;
    let restarted = before.iter().map(|before| {
        let status = container_status(pod, &before.name)?;
        let id = status["containerID"].as_str()?;
        let is_another = id != before.container_id && status["state"]["waiting"].is_null();
        let count = status["restartCount"].as_i64().unwrap_or_default();
        is_another.then(|| (before.name.clone(), count))
    });
    Ok(restarted.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_container_is_restarted_when_it_is_another_that_has_begun() {
        let before = [Before {
            name: "web".to_owned(),
            container_id: "podling://1".to_owned(),
        }];
        let pod = |id: &str, state: Value| {
            json!({ "status": { "containerStatuses": [{
                "name": "web", "containerID": id, "restartCount": 1, "state": state,
            }] } })
        };
        let running = json!({ "running": {} });
        for (pod, expected) in [
            (pod("podling://1", running.clone()), None),
            (pod("podling://2", json!({ "waiting": {} })), None),
            (
                pod("podling://2", running),
                Some(vec![("web".to_owned(), 1)]),
            ),
            (json!({}), None),
        ] {
            assert_eq!(judge(Some(&pod), &before).unwrap(), expected, "{pod}");
        }
        assert!(judge(None, &before).is_err());
    }
}
