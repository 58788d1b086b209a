//! The pressures of a node among the conditions of its object: pure.
#![deny(clippy::disallowed_methods)]

use serde_json::Value;

use super::object::seconds;
use crate::evict::{Pressure, Standing};

/// Says of each condition whether the node is under it, and since when.
pub(super) fn tell(conditions: &mut Value, standing: &Standing) {
    for condition in conditions.as_array_mut().into_iter().flatten() {
        let of_it = |pressure: &Pressure| condition["type"] == pressure.name();
        let Some(pressure) = Pressure::ALL.into_iter().find(of_it) else {
            continue;
        };
        if let Some(changed) = standing.changed_at(pressure) {
            condition["lastTransitionTime"] = seconds(changed).into();
        }
        if standing.pressures().contains(&pressure) {
            let (reason, message) = words(pressure);
            condition["status"] = "True".into();
            condition["reason"] = reason.into();
            condition["message"] = message.into();
        }
    }
}

fn words(pressure: Pressure) -> (&'static str, &'static str) {
    match pressure {
        Pressure::Memory => (
            "KubeletHasInsufficientMemory",
            "kubelet has insufficient memory available",
        ),
        Pressure::Disk => ("KubeletHasDiskPressure", "kubelet has disk pressure"),
        Pressure::Pid => (
            "KubeletHasInsufficientPID",
            "kubelet has insufficient PID available",
        ),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pressure_is_a_condition_since_it_came() {
        let mut conditions = json!([
            { "type": "DiskPressure", "status": "False", "reason": "r", "lastTransitionTime": "t" },
            { "type": "Ready", "status": "True", "lastTransitionTime": "t" },
        ]);
        let mut standing = Standing::default();
        tell(&mut conditions, &standing);
        assert_eq!(conditions[0]["status"], "False");
        standing.update([Pressure::Disk].into(), Timestamp::UNIX_EPOCH);
        tell(&mut conditions, &standing);
        assert_eq!(conditions[0]["status"], "True");
        assert_eq!(conditions[0]["reason"], "KubeletHasDiskPressure");
        assert_eq!(conditions[0]["lastTransitionTime"], "1970-01-01T00:00:00Z");
        assert_eq!(
            conditions[1],
            json!({ "type": "Ready", "status": "True", "lastTransitionTime": "t" })
        );
    }
}
