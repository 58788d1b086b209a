//! Services of the cluster, which containers are told of in their environment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use k8s_openapi::api::core::v1::{Service, ServicePort};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::reflect::{News, Reflector};
use crate::execute::ServiceVariables;

/// Variables in the order in which they are set.
type Variables = Vec<(String, String)>;

/// Namespace and name.
type Key = (String, String);

/// The services of the cluster.
#[derive(Default)]
pub(crate) struct Services {
    /// Nothing before the API server has told them all.
    all: Mutex<Option<BTreeMap<Key, Service>>>,
}

impl Services {
    /// Follows them until `shutdown`.
    pub(crate) async fn run(self: Arc<Self>, client: Client, shutdown: CancellationToken) {
        let reflector = Reflector::new(client, "/api/v1/services");
        let (tell, mut news) = mpsc::channel(16);
        let mut reflecting = std::pin::pin!(reflector.run(tell, shutdown));
        loop {
            // Only receiving is cancelled.
            tokio::select! {
                () = &mut reflecting => return,
                Some(news) = news.recv() => self.hear(news),
            }
        }
    }

    fn hear(&self, news: News) {
        let mut all = self.all.lock().expect("no holder of this lock can panic");
        match news {
            News::All(services) => {
                *all = Some(services.into_iter().filter_map(understood).collect())
            }
            News::Set(service) => {
                let all = all.get_or_insert_default();
                all.extend(understood(service));
            }
            News::Gone(service) => {
                if let (Some(all), Some((key, _))) = (all.as_mut(), understood(service)) {
                    all.remove(&key);
                }
            }
        }
    }
}

fn understood(service: Value) -> Option<(Key, Service)> {
    let service: Service = serde_json::from_value(service).ok()?;
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let key = (
        text(&service.metadata.namespace),
        text(&service.metadata.name),
    );
    Some((key, service))
}

impl ServiceVariables for Services {
    fn of(&self, namespace: &str, has_links: bool) -> Option<Variables> {
        let all = self.all.lock().expect("no holder of this lock can panic");
        Some(variables(all.as_ref()?, namespace, has_links))
    }
}

/// What containers of a namespace are told: of the API server always, of the namespace's own services
/// when they want to know.
fn variables(all: &BTreeMap<Key, Service>, namespace: &str, has_links: bool) -> Variables {
    let is_master = |(of, name): &Key| of == "default" && name == "kubernetes";
    let is_own = |(of, _): &Key| has_links && of == namespace;
    let wanted = all.iter().filter(|(key, service)| {
        let ip = address(service);
        (is_master(key) || is_own(key)) && !ip.is_empty() && ip != "None"
    });
    // One of the namespace's own goes before the API server's, should it have its name.
    let mut by_name: BTreeMap<&str, &Service> = BTreeMap::new();
    for (key, service) in wanted {
        if is_own(key) || !by_name.contains_key(key.1.as_str()) {
            by_name.insert(&key.1, service);
        }
    }
    by_name
        .into_iter()
        .flat_map(|(name, service)| of_service(name, service))
        .collect()
}

fn address(service: &Service) -> &str {
    let spec = service.spec.as_ref();
    spec.and_then(|spec| spec.cluster_ip.as_deref())
        .unwrap_or_default()
}

fn of_service(name: &str, service: &Service) -> Variables {
    let upper = |text: &str| text.to_uppercase().replace('-', "_");
    let (name, ip) = (upper(name), address(service));
    let ports = service
        .spec
        .as_ref()
        .and_then(|spec| spec.ports.as_deref())
        .unwrap_or_default();
    let Some(first) = ports.first() else {
        return Vec::new();
    };
    let mut made = vec![
        (format!("{name}_SERVICE_HOST"), ip.to_owned()),
        (format!("{name}_SERVICE_PORT"), first.port.to_string()),
    ];
    for port in ports {
        if let Some(word) = port.name.as_deref().filter(|word| !word.is_empty()) {
            made.push((
                format!("{name}_SERVICE_PORT_{}", upper(word)),
                port.port.to_string(),
            ));
        }
    }
    // As docker's links had it.
    let host = if ip.contains(':') {
        format!("[{ip}]")
    } else {
        ip.to_owned()
    };
    made.push((format!("{name}_PORT"), url(first, &host)));
    for port in ports {
        let prefix = format!(
            "{name}_PORT_{}_{}",
            port.port,
            protocol(port).to_uppercase()
        );
        made.push((prefix.clone(), url(port, &host)));
        made.push((format!("{prefix}_PROTO"), protocol(port)));
        made.push((format!("{prefix}_PORT"), port.port.to_string()));
        made.push((format!("{prefix}_ADDR"), ip.to_owned()));
    }
    made
}

fn url(port: &ServicePort, host: &str) -> String {
    format!("{}://{host}:{}", protocol(port), port.port)
}

fn protocol(port: &ServicePort) -> String {
    port.protocol.as_deref().unwrap_or("TCP").to_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn services() -> BTreeMap<Key, Service> {
        let service = |namespace: &str, name: &str, ip: &str, ports: Value| {
            understood(json!({
                "metadata": { "namespace": namespace, "name": name },
                "spec": { "clusterIP": ip, "ports": ports },
            }))
        };
        [
            service(
                "default",
                "kubernetes",
                "10.96.0.1",
                json!([{ "name": "https", "port": 443 }]),
            ),
            service(
                "shop",
                "my-web",
                "10.96.0.2",
                json!([{ "port": 80 }, { "port": 53, "protocol": "UDP" }]),
            ),
            service("shop", "headless", "None", json!([{ "port": 80 }])),
            service("other", "hidden", "10.96.0.3", json!([{ "port": 80 }])),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn names(namespace: &str, has_links: bool) -> Vec<String> {
        let made = variables(&services(), namespace, has_links).into_iter();
        made.map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    #[test]
    fn containers_are_told_of_the_api_server_and_of_the_services_of_their_namespace() {
        let of_master = [
            "KUBERNETES_SERVICE_HOST=10.96.0.1",
            "KUBERNETES_SERVICE_PORT=443",
            "KUBERNETES_SERVICE_PORT_HTTPS=443",
            "KUBERNETES_PORT=tcp://10.96.0.1:443",
            "KUBERNETES_PORT_443_TCP=tcp://10.96.0.1:443",
            "KUBERNETES_PORT_443_TCP_PROTO=tcp",
            "KUBERNETES_PORT_443_TCP_PORT=443",
            "KUBERNETES_PORT_443_TCP_ADDR=10.96.0.1",
        ];
        assert_eq!(names("shop", false), of_master);
        let all = names("shop", true);
        assert_eq!(all[..8], of_master);
        assert!(
            all.contains(&"MY_WEB_PORT_53_UDP=udp://10.96.0.2:53".to_owned()),
            "{all:?}"
        );
        assert!(
            !all.iter()
                .any(|one| one.contains("HIDDEN") || one.contains("HEADLESS"))
        );
    }
}
