//! What of a container can change while it runs: CPU and memory, asked for and at most.

use serde::{Deserialize, Serialize};

use super::{Container, PodSpec, Requirements};

/// The size of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Size {
    /// Thousandths of CPUs.
    #[serde(default)]
    pub cpu_millis: Range,
    /// Bytes of memory.
    #[serde(default)]
    pub memory_bytes: Range,
}

/// How much of something is asked for, and how much there is at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Range {
    /// Asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// At most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

impl Range {
    /// Whether this is more than another one: the limit tells, and where that is the same what is
    /// asked for.
    pub fn is_more_than(&self, other: &Self) -> bool {
        let amounts = |range: &Self| (range.limit.unwrap_or(0), range.request.unwrap_or(0));
        amounts(self) > amounts(other)
    }
}

impl Size {
    /// The size that a container asks for.
    pub fn of(requirements: &Requirements) -> Self {
        let Requirements { requests, limits } = requirements;
        Self {
            cpu_millis: Range {
                request: requests.cpu_millis,
                limit: limits.cpu_millis,
            },
            memory_bytes: Range {
                request: requests.memory_bytes,
                limit: limits.memory_bytes,
            },
        }
    }

    /// What a container of this size asks for.
    pub fn requirements(&self) -> Requirements {
        let mut requirements = Requirements::default();
        requirements.requests.cpu_millis = self.cpu_millis.request;
        requirements.limits.cpu_millis = self.cpu_millis.limit;
        requirements.requests.memory_bytes = self.memory_bytes.request;
        requirements.limits.memory_bytes = self.memory_bytes.limit;
        requirements
    }

    /// Reads what [`Size::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// As it stands on containers.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("numbers can always be written")
    }
}

impl PodSpec {
    /// The size that a container of this pod shall have: what it does not limit itself is limited to what
    /// the pod may use as a whole.
    pub fn size_of(&self, container: &Container) -> Size {
        let mut size = Size::of(&container.resources);
        let whole = Size::of(&self.resources);
        let within = |own: Option<u64>, whole: Option<u64>| own.filter(|own| *own > 0).or(whole);
        for (own, whole) in [
            (&mut size.cpu_millis, whole.cpu_millis),
            (&mut size.memory_bytes, whole.memory_bytes),
        ] {
            if whole.limit.is_some() {
                own.limit = within(own.limit, whole.limit);
            }
        }
        size
    }
}

/// What a container asks to happen when its size changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResizePolicy {
    /// When its CPU does.
    pub cpu: OnResize,
    /// When its memory does.
    pub memory: OnResize,
}

/// What happens to a container whose size changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnResize {
    /// It goes on.
    #[default]
    NotRequired,
    /// It is started again.
    RestartContainer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_written_and_read() {
        let size = Size {
            cpu_millis: Range {
                request: Some(500),
                limit: None,
            },
            memory_bytes: Range::default(),
        };
        assert_eq!(
            size.to_text(),
            r#"{"cpuMillis":{"request":500},"memoryBytes":{}}"#
        );
        assert_eq!(Size::parse(&size.to_text()), Some(size));
        assert_eq!(Size::parse("{}"), Some(Size::default()));
        assert_eq!(Size::parse("no"), None);
        assert_eq!(Size::of(&size.requirements()), size);
    }

    #[test]
    fn the_limit_tells_what_is_more_and_what_is_asked_for_only_where_limits_are_the_same() {
        let range = |request, limit| Range {
            request: Some(request),
            limit: Some(limit),
        };
        assert!(range(1, 3).is_more_than(&range(2, 2)));
        assert!(range(2, 3).is_more_than(&range(1, 3)));
        assert!(!range(1, 3).is_more_than(&range(1, 3)));
        assert!(range(0, 1).is_more_than(&Range::default()));
    }
}
