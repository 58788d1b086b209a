//! Pods as the kubelet gives them, and finding what a person means in them.
#![deny(clippy::disallowed_methods)]

use k8s_openapi::api::core::v1 as api;
use serde::Deserialize;
use serde_json::Value;

const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// A pod, decoded, and as it came: what is printed as JSON must leave nothing out.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    /// Every field that came.
    pub(crate) raw: Value,
    /// The fields that this command knows.
    pub(crate) api: api::Pod,
}

/// Why no container of a pod was chosen.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ChoiceError {
    /// There is no such pod.
    #[error("there is no pod {name:?} in namespace {namespace:?}: `podling get pods -A` lists all")]
    NoPod {
        /// As the user wrote it.
        name: String,
        /// Where it was looked for.
        namespace: String,
    },
    /// The pod has no such container.
    #[error("pod {pod} has no container {container:?}; it has: {has}")]
    NoContainer {
        /// Name of the pod.
        pod: String,
        /// As the user wrote it.
        container: String,
        /// What there is, separated by commas.
        has: String,
    },
    /// The container has not been started, or has ended.
    #[error("container {container} of pod {pod} does not run: {state}")]
    NotRunning {
        /// Name of the pod.
        pod: String,
        /// Name of the container.
        container: String,
        /// What it does instead.
        state: String,
    },
}

/// Decodes the answer to `/pods`.
pub(crate) fn decode_list(body: &[u8]) -> Result<Vec<Pod>, serde_json::Error> {
    #[derive(Deserialize)]
    struct List {
        items: Option<Vec<Value>>,
    }
    let list: List = serde_json::from_slice(body)?;
    let pods = list.items.unwrap_or_default().into_iter().map(|raw| {
        let api = api::Pod::deserialize(&raw)?;
        Ok(Pod { raw, api })
    });
    pods.collect()
}

/// The pod of that name, perhaps as `pod/NAME`; the name in a static pod's manifest, without the node's, will do.
pub(crate) fn find<'a>(
    pods: &'a [Pod],
    namespace: &str,
    name: &str,
) -> Result<&'a Pod, ChoiceError> {
    let kinds = ["pod/", "pods/", "po/"];
    let bare = kinds.iter().find_map(|kind| name.strip_prefix(kind));
    let name = bare.unwrap_or(name);
    let here = || pods.iter().filter(|pod| pod.namespace() == namespace);
    let on_node = |pod: &&Pod| pod.name() == format!("{name}-{}", pod.node());
    let found = here()
        .find(|pod| pod.name() == name)
        .or_else(|| here().find(on_node));
    found.ok_or_else(|| ChoiceError::NoPod {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
    })
}

impl Pod {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.api.metadata.name.as_deref().unwrap_or_default()
    }

    /// Whether this is its name, or that in its manifest.
    pub(crate) fn is_called(&self, word: &str) -> bool {
        self.name() == word || self.name() == format!("{word}-{}", self.node())
    }

    /// Its namespace.
    pub(crate) fn namespace(&self) -> &str {
        self.api.metadata.namespace.as_deref().unwrap_or("default")
    }

    fn node(&self) -> &str {
        let spec = self.api.spec.as_ref();
        spec.and_then(|spec| spec.node_name.as_deref())
            .unwrap_or_default()
    }

    /// The container that is meant: the one named, or the pod's default.
    pub(crate) fn container(&self, named: Option<&str>) -> Result<&str, ChoiceError> {
        let all = self.container_names();
        let annotations = self.api.metadata.annotations.as_ref();
        let preferred = annotations.and_then(|map| map.get(DEFAULT_CONTAINER));
        let wanted = named.or(preferred.map(String::as_str));
        let found = match wanted {
            None => all.first(),
            Some(wanted) => all.iter().find(|name| **name == wanted),
        };
        found.copied().ok_or_else(|| ChoiceError::NoContainer {
            pod: self.name().to_owned(),
            container: wanted.unwrap_or_default().to_owned(),
            has: all.join(", "),
        })
    }

    /// Every container's name: apps, then init, then ephemeral ones.
    pub(crate) fn container_names(&self) -> Vec<&str> {
        let Some(spec) = &self.api.spec else {
            return Vec::new();
        };
        let apps = spec.containers.iter().map(|container| &container.name);
        let init = spec
            .init_containers
            .iter()
            .flatten()
            .map(|container| &container.name);
        let ephemeral = spec
            .ephemeral_containers
            .iter()
            .flatten()
            .map(|container| &container.name);
        apps.chain(init)
            .chain(ephemeral)
            .map(String::as_str)
            .collect()
    }

    /// The same in the order in which they start: init, apps, ephemeral ones.
    pub(crate) fn containers_in_order(&self) -> Vec<&str> {
        let mut names = self.container_names();
        let spec = self.api.spec.as_ref();
        let apps = spec.map_or(0, |spec| spec.containers.len());
        let init = spec.and_then(|spec| spec.init_containers.as_ref());
        names[..apps + init.map_or(0, Vec::len)].rotate_left(apps);
        names
    }

    /// Whether a container has a terminal of its own.
    pub(crate) fn has_tty(&self, container: &str) -> bool {
        let Some(spec) = &self.api.spec else {
            return false;
        };
        let init = spec.init_containers.iter().flatten();
        let is_it = |one: &&api::Container| one.name == container;
        let found = spec.containers.iter().chain(init).find(is_it);
        let mut ephemeral = spec.ephemeral_containers.iter().flatten();
        let ephemeral = ephemeral.find(|one| one.name == container);
        found
            .and_then(|one| one.tty)
            .or(ephemeral.and_then(|one| one.tty))
            == Some(true)
    }

    /// The runtime's id of a container that runs.
    pub(crate) fn running_id(&self, container: &str) -> Result<&str, ChoiceError> {
        let refuse = |state: String| ChoiceError::NotRunning {
            pod: self.name().to_owned(),
            container: container.to_owned(),
            state,
        };
        let status = self.container_status(container);
        let status = status.ok_or_else(|| refuse("it has not been started yet".to_owned()))?;
        if status
            .state
            .as_ref()
            .is_none_or(|state| state.running.is_none())
        {
            return Err(refuse(describe(status)));
        }
        let id = status.container_id.as_deref().unwrap_or_default();
        Ok(id.split_once("://").map_or(id, |(_, id)| id))
    }

    fn container_status(&self, name: &str) -> Option<&api::ContainerStatus> {
        let status = self.api.status.as_ref()?;
        let lists = [
            &status.container_statuses,
            &status.init_container_statuses,
            &status.ephemeral_container_statuses,
        ];
        lists
            .into_iter()
            .flatten()
            .flatten()
            .find(|status| status.name == name)
    }
}

/// What a container that does not run does.
fn describe(status: &api::ContainerStatus) -> String {
    let state = status.state.as_ref();
    if let Some(end) = state.and_then(|state| state.terminated.as_ref()) {
        return format!("it ended with exit code {}", end.exit_code);
    }
    let waiting = state.and_then(|state| state.waiting.as_ref());
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
    format!("it waits ({})", reason.unwrap_or("for no reason given"))
}

#[cfg(test)]
mod tests;
