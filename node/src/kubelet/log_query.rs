//! Which log is asked for, as the kubelet's `/containerLogs` path.
#![deny(clippy::disallowed_methods)]

/// Which log, and which part of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogQuery {
    /// Namespace of the pod.
    pub(crate) namespace: String,
    /// Name of the pod.
    pub(crate) pod: String,
    /// Name of the container.
    pub(crate) container: String,
    /// Go on with what is written later.
    pub(crate) follow: bool,
    /// Of the run before.
    pub(crate) previous: bool,
    /// With times.
    pub(crate) timestamps: bool,
    /// Only the last lines.
    pub(crate) tail_lines: Option<u64>,
    /// Only what is younger.
    pub(crate) since_seconds: Option<u64>,
}

impl LogQuery {
    /// Path and query. Names come from the pod itself, so they need no escapes.
    pub(crate) fn path(&self) -> String {
        let Self {
            namespace,
            pod,
            container,
            ..
        } = self;
        let flags = [
            ("follow", self.follow),
            ("previous", self.previous),
            ("timestamps", self.timestamps),
        ];
        let numbers = [
            ("tailLines", self.tail_lines),
            ("sinceSeconds", self.since_seconds),
        ];
        let flags = flags
            .into_iter()
            .filter(|(_, on)| *on)
            .map(|(name, _)| format!("{name}=true"));
        let numbers = numbers
            .into_iter()
            .filter_map(|(name, n)| n.map(|n| format!("{name}={n}")));
        let query: Vec<String> = flags.chain(numbers).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!(
            "/containerLogs/{namespace}/{pod}/{container}{mark}{}",
            query.join("&")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_query_names_only_what_was_asked() {
        let names = LogQuery {
            namespace: "default".into(),
            pod: "web-node".into(),
            container: "c".into(),
            ..LogQuery::default()
        };
        assert_eq!(names.path(), "/containerLogs/default/web-node/c");
        let query = LogQuery {
            follow: true,
            tail_lines: Some(0),
            ..names
        };
        assert_eq!(
            query.path(),
            "/containerLogs/default/web-node/c?follow=true&tailLines=0"
        );
    }
}
