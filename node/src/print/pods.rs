//! `get pods`: the rows of the pod table.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;

use super::{Width, age, pod_status};

/// The columns of the table.
pub(crate) fn header(width: Width) -> Vec<&'static str> {
    let mut header = vec!["NAME", "READY", "STATUS", "RESTARTS", "AGE"];
    if width == Width::Wide {
        header.extend(["IP", "NODE", "NOMINATED NODE", "READINESS GATES"]);
    }
    header
}

/// The row of a pod at the time `now`.
pub(crate) fn row(pod: &Pod, width: Width, now: Timestamp) -> Vec<String> {
    let summary = pod_status::summarize(pod);
    let mut cells = vec![
        pod.metadata.name.clone().unwrap_or_default(),
        format!("{}/{}", summary.ready, summary.total),
        summary.status,
        restarts(summary.restarts, summary.last_restart, now),
        age::since(beginning(pod), now),
    ];
    if width == Width::Wide {
        cells.extend(wide_cells(pod));
    }
    cells
}

fn restarts(count: i32, last: Option<Timestamp>, now: Timestamp) -> String {
    match last {
        Some(last) if count != 0 => format!("{count} ({} ago)", age::since(Some(last), now)),
        _ => count.to_string(),
    }
}

/// A static pod has no creation time of an API server; it began when the kubelet first saw it.
fn beginning(pod: &Pod) -> Option<Timestamp> {
    let created = pod.metadata.creation_timestamp.as_ref();
    let started = pod
        .status
        .as_ref()
        .and_then(|status| status.start_time.as_ref());
    created.or(started).map(|time| time.0)
}

fn wide_cells(pod: &Pod) -> [String; 4] {
    let status = pod.status.as_ref();
    let ip = status
        .and_then(|status| status.pod_ips.as_ref())
        .and_then(|ips| ips.first());
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let nominated = status.and_then(|status| status.nominated_node_name.clone());
    [
        ip.map(|ip| ip.ip.clone()),
        node,
        nominated,
        readiness_gates(pod),
    ]
    .map(|cell| {
        cell.filter(|text| !text.is_empty())
            .unwrap_or_else(|| "<none>".to_owned())
    })
}

/// How many of the pod's readiness gates are true, when it has any.
fn readiness_gates(pod: &Pod) -> Option<String> {
    let gates = pod
        .spec
        .as_ref()?
        .readiness_gates
        .as_ref()
        .filter(|gates| !gates.is_empty())?;
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref());
    let is_true = |name: &str| {
        let mut conditions = conditions.unwrap_or(&[]).iter();
        conditions.any(|condition| condition.type_ == name && condition.status == "True")
    };
    let open = gates
        .iter()
        .filter(|gate| is_true(&gate.condition_type))
        .count();
    Some(format!("{open}/{}", gates.len()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::table;
    use super::*;

    fn web() -> Pod {
        serde_json::from_value(json!({
            "metadata": { "name": "web-node", "namespace": "default" },
            "spec": { "containers": [{ "name": "c" }], "nodeName": "node" },
            "status": {
                "phase": "Running",
                "startTime": "2026-01-01T00:00:00Z",
                "podIPs": [{ "ip": "10.88.0.2" }],
                "containerStatuses": [{
                    "name": "c", "image": "i", "imageID": "", "ready": true, "restartCount": 2,
                    "state": { "running": {} },
                    "lastState": { "terminated": {
                        "exitCode": 1, "finishedAt": "2026-01-01T00:01:00Z" } },
                }],
            },
        }))
        .unwrap()
    }

    fn now() -> Timestamp {
        "2026-01-01T00:02:30Z".parse().unwrap()
    }

    #[test]
    fn the_table_has_kubectls_columns() {
        let text = table::lay_out(&header(Width::Usual), &[row(&web(), Width::Usual, now())]);
        let expected = "NAME       READY   STATUS    RESTARTS      AGE\n\
                        web-node   1/1     Running   2 (90s ago)   2m30s\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_wide_table_adds_address_and_node() {
        let text = table::lay_out(&header(Width::Wide), &[row(&web(), Width::Wide, now())]);
        let mut lines = text.lines();
        let header = lines.next().unwrap();
        assert!(
            header.ends_with("AGE     IP          NODE   NOMINATED NODE   READINESS GATES"),
            "{header}"
        );
        let row = lines.next().unwrap();
        assert!(
            row.ends_with("2m30s   10.88.0.2   node   <none>           <none>"),
            "{row}"
        );
    }

    #[test]
    fn readiness_gates_are_counted_when_there_are_any() {
        let mut pod = web();
        let gates = json!([{ "conditionType": "a" }, { "conditionType": "b" }]);
        pod.spec.as_mut().unwrap().readiness_gates = serde_json::from_value(gates).unwrap();
        let conditions = json!([{ "type": "a", "status": "True" }]);
        pod.status.as_mut().unwrap().conditions = serde_json::from_value(conditions).unwrap();
        assert_eq!(readiness_gates(&pod), Some("1/2".to_owned()));
    }
}
