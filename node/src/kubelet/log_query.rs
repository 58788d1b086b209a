//! Which log is asked for, as the kubelet's `/containerLogs` path.
#![deny(clippy::disallowed_methods)]

use super::query::Path;

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
    /// Only what was written at this time or later.
    pub(crate) since_time: Option<String>,
    /// Only so many bytes.
    pub(crate) limit_bytes: Option<u64>,
}

impl LogQuery {
    /// Path and query.
    pub(crate) fn path(&self) -> Path {
        let path = Path::of(["containerLogs", &self.namespace, &self.pod, &self.container]);
        let on = |is_on: bool| is_on.then_some("true");
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        path.with_some("follow", on(self.follow))
            .with_some("previous", on(self.previous))
            .with_some("timestamps", on(self.timestamps))
            .with_some("tailLines", number(self.tail_lines))
            .with_some("sinceSeconds", number(self.since_seconds))
            .with_some("sinceTime", self.since_time.as_ref())
            .with_some("limitBytes", number(self.limit_bytes))
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
        assert_eq!(names.path().as_str(), "/containerLogs/default/web-node/c");
        let query = LogQuery {
            follow: true,
            tail_lines: Some(0),
            ..names
        };
        assert_eq!(
            query.path().as_str(),
            "/containerLogs/default/web-node/c?follow=true&tailLines=0"
        );
    }
}
