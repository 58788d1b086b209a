//! What a container was made into, for whoever wants to see it.

use serde_json::{Value, json};

use super::{Lifecycle, bundle};
use crate::model::ContainerRecord;
use crate::spec;

impl Lifecycle {
    /// The OCI spec of a container, with the limits that it has now; `None` when it is not there
    /// (any more).
    pub async fn runtime_spec(&self, container: &ContainerRecord) -> Option<Value> {
        let dir = self.parts().layout.container_dir(&container.id);
        let read = tokio::task::spawn_blocking(move || bundle::read_spec(&dir)).await;
        let mut spec = read.ok()?.ok()?;
        let asked = &container.config.resources;
        if let Ok(limits) = spec::limits(asked, &self.parts().host, &mut Vec::new())
            && let Some(resources) = spec.pointer_mut("/linux/resources")
        {
            resources["memory"] = json!(limits.memory());
            resources["cpu"] = json!(limits.cpu());
            resources["hugepageLimits"] = json!(limits.hugepage_limits());
            resources["unified"] = json!(limits.unified());
        }
        Some(spec)
    }
}
