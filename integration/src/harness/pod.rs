//! A pod as the kubelet shows it, with the questions that tests ask.

use std::net::IpAddr;

use serde_json::Value;

/// One pod of `/pods`.
#[derive(Clone, Debug)]
pub struct Pod(pub Value);

impl Pod {
    /// A text somewhere in the pod, or nothing.
    pub fn text(&self, pointer: &str) -> &str {
        self.0
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// Its UID.
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// Its phase.
    pub fn phase(&self) -> &str {
        self.text("/status/phase")
    }

    /// Its first address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.text("/status/podIP").parse().ok()
    }

    /// All its addresses, in their order.
    pub fn ips(&self) -> Vec<IpAddr> {
        let list = self.0.pointer("/status/podIPs").and_then(Value::as_array);
        let ips = list.into_iter().flatten();
        ips.filter_map(|entry| entry["ip"].as_str()?.parse().ok())
            .collect()
    }

    /// Whether a condition is true.
    pub fn has(&self, condition: &str) -> bool {
        let conditions = self
            .0
            .pointer("/status/conditions")
            .and_then(Value::as_array);
        let is_it = |c: &Value| c["type"] == condition && c["status"] == "True";
        conditions.is_some_and(|conditions| conditions.iter().any(is_it))
    }

    /// Whether every container is ready.
    pub fn is_ready(&self) -> bool {
        self.has("Ready")
    }

    /// The status of a container, app or init.
    pub fn container(&self, name: &str) -> Option<Container<'_>> {
        ["containerStatuses", "initContainerStatuses"]
            .into_iter()
            .find_map(|list| {
                let statuses = self.0["status"][list].as_array()?;
                statuses
                    .iter()
                    .find(|status| status["name"] == name)
                    .map(Container)
            })
    }

    /// The status of the container named `main`, which most test pods have.
    pub fn main(&self) -> Option<Container<'_>> {
        self.container("main")
    }
}

/// A container's status.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a>(pub &'a Value);

impl Container<'_> {
    /// The runtime's id, without the scheme.
    pub fn id(&self) -> &str {
        let id = self.0["containerID"].as_str().unwrap_or_default();
        id.split_once("://").map_or(id, |(_, id)| id)
    }

    /// How often it was restarted.
    pub fn restarts(&self) -> i64 {
        self.0["restartCount"].as_i64().unwrap_or_default()
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.0["state"]["running"].is_object()
    }

    /// Its exit code, when it has ended for good.
    pub fn exit_code(&self) -> Option<i64> {
        self.0["state"]["terminated"]["exitCode"].as_i64()
    }

    /// The exit code of the run before.
    pub fn last_exit_code(&self) -> Option<i64> {
        self.0["lastState"]["terminated"]["exitCode"].as_i64()
    }

    /// Why it waits.
    pub fn waiting(&self) -> &str {
        self.0["state"]["waiting"]["reason"]
            .as_str()
            .unwrap_or_default()
    }

    /// What is said about why it waits or has ended, now or before.
    pub fn message(&self) -> String {
        let texts = [
            "/state/waiting/message",
            "/state/terminated/message",
            "/lastState/terminated/message",
        ];
        let texts = texts
            .iter()
            .filter_map(|pointer| self.0.pointer(pointer)?.as_str());
        texts.collect::<Vec<_>>().join("; ")
    }
}
