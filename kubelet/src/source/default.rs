//! Fills in what a manifest leaves out, with Kubernetes' defaults for the fields handled.
#![deny(clippy::disallowed_methods)]

use k8s_openapi::api::core::v1 as core;

use super::whole;
use crate::model::is_latest;

/// Sets the defaults of a pod.
pub fn set_defaults(pod: &mut core::Pod) {
    let spec = pod.spec.get_or_insert_default();
    text(&mut spec.restart_policy, "Always");
    text(&mut spec.dns_policy, "ClusterFirst");
    text(&mut spec.scheduler_name, "default-scheduler");
    spec.termination_grace_period_seconds.get_or_insert(30);
    spec.enable_service_links.get_or_insert(true);
    spec.security_context.get_or_insert_default();
    spec.volumes.iter_mut().flatten().for_each(volume);
    let is_host_network = spec.host_network == Some(true);
    let init = spec.init_containers.iter_mut().flatten();
    for one in init.chain(&mut spec.containers) {
        container(one);
        if is_host_network {
            one.ports.iter_mut().flatten().for_each(port_of_host);
        }
    }
    whole::set_defaults(spec);
    default_ephemeral(pod);
}

/// Sets the defaults of a pod's ephemeral containers.
pub(crate) fn default_ephemeral(pod: &mut core::Pod) {
    let spec = pod.spec.get_or_insert_default();
    for one in spec.ephemeral_containers.iter_mut().flatten() {
        text(&mut one.termination_message_path, "/dev/termination-log");
        text(&mut one.termination_message_policy, "File");
        let policy = pull_policy(one.image.as_deref());
        text(&mut one.image_pull_policy, policy);
    }
}

fn container(container: &mut core::Container) {
    text(
        &mut container.termination_message_path,
        "/dev/termination-log",
    );
    text(&mut container.termination_message_policy, "File");
    let policy = pull_policy(container.image.as_deref());
    text(&mut container.image_pull_policy, policy);
    for port in container.ports.iter_mut().flatten() {
        text(&mut port.protocol, "TCP");
    }
    for variable in container.env.iter_mut().flatten() {
        let from = variable.value_from.as_mut();
        if let Some(field) = from.and_then(|from| from.field_ref.as_mut()) {
            text(&mut field.api_version, "v1");
        }
    }
    if let Some(resources) = &mut container.resources {
        requests_from_limits(resources);
    }
    let probes = [
        &mut container.startup_probe,
        &mut container.readiness_probe,
        &mut container.liveness_probe,
    ];
    probes.into_iter().flatten().for_each(probe);
    if let Some(lifecycle) = &mut container.lifecycle {
        let hooks = [&mut lifecycle.post_start, &mut lifecycle.pre_stop];
        let gets = hooks
            .into_iter()
            .flatten()
            .filter_map(|hook| hook.http_get.as_mut());
        gets.for_each(http_get);
    }
}

/// Zero is as good as nothing.
fn probe(probe: &mut core::Probe) {
    number(&mut probe.timeout_seconds, 1);
    number(&mut probe.period_seconds, 10);
    number(&mut probe.success_threshold, 1);
    number(&mut probe.failure_threshold, 3);
    if let Some(get) = &mut probe.http_get {
        http_get(get);
    }
    if let Some(grpc) = &mut probe.grpc {
        grpc.service.get_or_insert_default();
    }
}

fn http_get(get: &mut core::HTTPGetAction) {
    text(&mut get.path, "/");
    text(&mut get.scheme, "HTTP");
}

/// On the host's network a port is the host's.
fn port_of_host(port: &mut core::ContainerPort) {
    if port.host_port.unwrap_or_default() == 0 {
        port.host_port = Some(port.container_port);
    }
}

/// What is limited and not asked for is asked for up to the limit.
fn requests_from_limits(resources: &mut core::ResourceRequirements) {
    let Some(limits) = &resources.limits else {
        return;
    };
    let requests = resources.requests.get_or_insert_default();
    for (name, limit) in limits {
        requests
            .entry(name.clone())
            .or_insert_with(|| limit.clone());
    }
}

fn volume(volume: &mut core::Volume) {
    let named_only = core::Volume {
        name: volume.name.clone(),
        ..core::Volume::default()
    };
    if *volume == named_only {
        volume.empty_dir = Some(core::EmptyDirVolumeSource::default());
    }
    if let Some(map) = &mut volume.config_map {
        map.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(secret) = &mut volume.secret {
        secret.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(downward) = &mut volume.downward_api {
        downward.default_mode.get_or_insert(FILE_MODE);
        downward.items.iter_mut().flatten().for_each(field_version);
    }
    if let Some(projected) = &mut volume.projected {
        projected.default_mode.get_or_insert(FILE_MODE);
        let sources = projected.sources.iter_mut().flatten();
        let downward = sources.filter_map(|source| source.downward_api.as_mut());
        downward
            .flat_map(|downward| downward.items.iter_mut().flatten())
            .for_each(field_version);
    }
    if let Some(path) = &mut volume.host_path {
        path.type_.get_or_insert_default();
    }
    if let Some(image) = &mut volume.image {
        let policy = pull_policy(image.reference.as_deref());
        text(&mut image.pull_policy, policy);
    }
}

/// Everybody reads them.
const FILE_MODE: i32 = 0o644;

fn field_version(file: &mut core::DownwardAPIVolumeFile) {
    if let Some(field) = &mut file.field_ref {
        text(&mut field.api_version, "v1");
    }
}

/// An image that moves is looked up before each start.
fn pull_policy(image: Option<&str>) -> &'static str {
    if image.is_some_and(is_latest) {
        "Always"
    } else {
        "IfNotPresent"
    }
}

fn number(field: &mut Option<i32>, default: i32) {
    if field.unwrap_or_default() == 0 {
        *field = Some(default);
    }
}

fn text(field: &mut Option<String>, default: &str) {
    if field.as_deref().unwrap_or_default().is_empty() {
        *field = Some(default.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_moves_is_always_pulled() {
        let rows = [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("registry.test:5000/nginx", "Always"),
            ("registry.test:5000/nginx:1", "IfNotPresent"),
            ("nginx@sha256:00", "IfNotPresent"),
            ("Not/An/Image", "IfNotPresent"),
        ];
        for (image, policy) in rows {
            assert_eq!(pull_policy(Some(image)), policy, "{image}");
        }
    }

    #[test]
    fn what_is_left_out_is_filled_in_and_what_is_said_stays() {
        let mut pod: core::Pod = serde_json::from_str(
            r#"{"spec": {"hostNetwork": true, "restartPolicy": "Never", "volumes": [{"name": "v"}],
                "containers": [{"name": "a", "image": "b:1", "ports": [{"containerPort": 80}],
                "resources": {"limits": {"cpu": "1", "memory": "2"}, "requests": {"cpu": "500m"}}}]}}"#,
        )
        .unwrap();
        set_defaults(&mut pod);
        let spec = pod.spec.as_ref().unwrap();
        let container = &spec.containers[0];
        let port = &container.ports.as_ref().unwrap()[0];
        let requests = container
            .resources
            .as_ref()
            .unwrap()
            .requests
            .as_ref()
            .unwrap();
        assert_eq!(spec.restart_policy.as_deref(), Some("Never"));
        assert_eq!(spec.dns_policy.as_deref(), Some("ClusterFirst"));
        assert_eq!(spec.termination_grace_period_seconds, Some(30));
        assert!(spec.volumes.as_ref().unwrap()[0].empty_dir.is_some());
        assert_eq!(
            (port.host_port, port.protocol.as_deref()),
            (Some(80), Some("TCP"))
        );
        assert_eq!(
            (requests["cpu"].0.as_str(), requests["memory"].0.as_str()),
            ("500m", "2")
        );
        let once = pod.clone();
        set_defaults(&mut pod);
        assert_eq!(pod, once, "a second time changes nothing");
    }
}
