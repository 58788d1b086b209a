//! From a configuration to settings: pure.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ProcessSettings, Settings, groups};
use crate::api::{ClusterSettings, Detection, NodeWishes, Renewal, ReviewSettings, ReviewTimes};
use crate::collect;
use crate::config::{Configuration, Duration, Loaded};
use crate::credential::ProviderPlaces;
use crate::evict;
use crate::execute::{PodSettings, PullSettings};
use crate::model::{ObjectKind, SeccompProfile};
use crate::node::Reserve;
use crate::pinning;
use crate::plan::{Keep, LONGEST_BACKOFF};
use crate::pulled::Policy;
use crate::resource::{CgroupDriver, Tree};
use crate::rotate;
use crate::server::{Addresses, Admission, Debugging, Queries, TlsWords};
use crate::shutdown;
use crate::source::Page;
use crate::sync::Pace;

/// Upstream's read-only port, which podling has by default, on loopback.
const READ_ONLY_PORT: u16 = 10_255;

/// Which ports a kubelet takes that is told none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Upstream's: for the machine's own kubelet.
    WellKnown,
    /// Any that are free, so that several kubelets run side by side.
    Free,
}

impl Settings {
    /// These settings with all that is configured.
    #[must_use]
    pub fn configured(mut self, loaded: &Loaded, ports: Ports) -> Self {
        let configuration = &loaded.configuration;
        self.places(loaded);
        self.rescan = configuration.file_check_frequency.to_std();
        self.page = page(configuration);
        self.pace = pace(configuration);
        self.keep = keep(loaded);
        self.dead_limit = dead_limit(loaded, self.keep);
        self.process = process(configuration);
        let images = configuration.image_service_endpoint.as_str();
        let images = images.strip_prefix("unix://").unwrap_or(images);
        self.image_socket = (!images.is_empty()).then(|| images.into());
        self.cluster = cluster(loaded, &self.server.tls.pki);
        self.deadlines.request = configuration.runtime_request_timeout.to_std();
        if loaded.is_given("cgroupDriver") {
            self.cgroup_driver = match configuration.cgroup_driver.as_str() {
                "systemd" => CgroupDriver::Systemd,
                _ => CgroupDriver::Cgroupfs,
            };
        }
        if let Some(addresses) = loaded.flag("node-ip") {
            let addresses = addresses.split(',').map(str::trim);
            self.node_ips = addresses
                .filter_map(|address| address.parse().ok())
                .collect();
        }
        self.pod_cidr.clone_from(&configuration.pod_cidr);
        self.node_labels = loaded.flag_words("node-labels");
        self.reserve = Reserve::of(configuration);
        self.pinning = pinning::Settings::of(configuration);
        self.eviction = evict::Policy::of(configuration);
        self.image_collection = collect::Policy::of(configuration);
        self.declared_features = configuration.declared_features();
        self.most_images = usize::try_from(configuration.node_status_max_images).ok();
        // Go's durations may be negative, which switches it off.
        let period = configuration.volume_stats_agg_period;
        self.volume_stats = (!period.is_negative()).then(|| period.to_std());
        self.log_rotation = rotate::Policy::of(configuration);
        self.shutdown = shutdown::shares(configuration);
        if let Some(logs) = &mut self.system_logs
            && configuration.enable_system_log_query
        {
            logs.queries = Queries::Answered;
        }
        if !configuration.enable_system_log_handler {
            self.system_logs = None;
        }
        self.pods = pods(configuration);
        self.pulls = pulls(configuration);
        self.providers = providers(loaded);
        self.verification = verification(configuration);
        self.cgroup_tree = if configuration.cgroups_per_qos {
            Tree::PerClass
        } else {
            Tree::Flat
        };
        self.groups = groups::groups(configuration);
        self.serve(loaded, ports);
        self.gates = configuration.gates();
        self.configuration = Arc::new(configuration.to_json());
        self
    }

    fn places(&mut self, loaded: &Loaded) {
        let configuration = &loaded.configuration;
        if let Some(root) = loaded.root_dir() {
            self.server.tls.pki = root.join("pki");
            self.root = root;
        }
        if let Some(directory) = loaded.flag("cert-dir") {
            self.server.tls.pki = directory.into();
        }
        for (field, text, place) in [
            (
                "staticPodPath",
                &configuration.static_pod_path,
                &mut self.manifests,
            ),
            (
                "podLogsDir",
                &configuration.pod_logs_dir,
                &mut self.pod_logs,
            ),
            (
                "resolvConf",
                &configuration.resolv_conf,
                &mut self.resolv_conf,
            ),
        ] {
            if loaded.is_given(field) && !text.is_empty() {
                *place = text.into();
            }
        }
        if let Some(root) = loaded.cgroup_root() {
            root.clone_into(&mut self.cgroup_root);
        }
    }

    fn serve(&mut self, loaded: &Loaded, ports: Ports) {
        let configuration = &loaded.configuration;
        let server = &mut self.server;
        server.addresses = Addresses {
            socket: server.addresses.socket.take(),
            ..addresses(loaded, ports)
        };
        let given = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        server.tls.identity =
            given(&configuration.tls_cert_file).zip(given(&configuration.tls_private_key_file));
        let is_signed = configuration.server_tls_bootstrap
            && configuration.is_open("RotateKubeletServerCertificate");
        server.tls.signed = is_signed.then(|| server.tls.pki.clone());
        server.tls.client_ca = given(&configuration.authentication.x509.client_ca_file);
        let words = TlsWords::read(
            &configuration.tls_min_version,
            &configuration.tls_cipher_suites,
        );
        server.tls.words = words.expect("the configuration was found valid");
        server.admission = match configuration.authentication.anonymous.enabled {
            Some(true) => Admission::Anonymous,
            _ => Admission::Known,
        };
        server.debugging = if configuration.enable_debugging_handlers {
            Debugging::On
        } else {
            Debugging::Off
        };
    }
}

/// The cluster to join, if there is one.
fn cluster(loaded: &Loaded, pki: &Path) -> Option<ClusterSettings> {
    let configuration = &loaded.configuration;
    let number = |number: i32| u32::try_from(number).unwrap_or(0);
    let taints = serde_json::to_value(&configuration.register_with_taints);
    Some(ClusterSettings {
        kubeconfig: loaded.flag("kubeconfig")?.into(),
        bootstrap: loaded.flag("bootstrap-kubeconfig").map(PathBuf::from),
        pki: pki.to_owned(),
        renewal: match configuration.rotate_certificates {
            true => Renewal::InTime,
            false => Renewal::Never,
        },
        qps: number(configuration.kube_api_qps),
        burst: number(configuration.kube_api_burst),
        events: (
            number(configuration.event_record_qps),
            number(configuration.event_burst),
        ),
        reviews: reviews(configuration),
        detection: Detection::of(&configuration.change_detection_strategy),
        closed: closed(configuration),
        node: NodeWishes {
            register: configuration.register_node,
            taints: taints
                .ok()
                .and_then(|taints| taints.as_array().cloned())
                .unwrap_or_default(),
            provider_id: configuration.provider_id.clone(),
            controller_attaches: configuration.enable_controller_attach_detach,
            update: configuration.node_status_update_frequency.to_std(),
            report: configuration.node_status_report_frequency.to_std(),
            lease_seconds: number(configuration.node_lease_duration_seconds),
        },
    })
}

/// Kinds of objects of a cluster that no pod gets while a feature gate is closed.
fn closed(configuration: &Configuration) -> BTreeMap<ObjectKind, &'static str> {
    let gates = [
        (
            ObjectKind::ClusterTrustBundle,
            "ClusterTrustBundleProjection",
        ),
        (ObjectKind::PodCertificate, "PodCertificateRequest"),
    ];
    let closed = gates.into_iter();
    closed
        .filter(|(_, gate)| !configuration.is_open(gate))
        .collect()
}

/// What is asked of the API server for the server's sake.
fn reviews(configuration: &Configuration) -> ReviewSettings {
    let authorization = &configuration.authorization;
    let webhook = &configuration.authentication.webhook;
    ReviewSettings {
        tokens: webhook.enabled == Some(true),
        access: authorization.mode == "Webhook",
        times: ReviewTimes {
            tokens: webhook.cache_ttl.to_std(),
            allowed: authorization.webhook.cache_authorized_ttl.to_std(),
            forbidden: authorization.webhook.cache_unauthorized_ttl.to_std(),
        },
    }
}

/// How the process shall be.
fn process(configuration: &Configuration) -> ProcessSettings {
    let cgroup = configuration.kubelet_cgroups.as_str();
    ProcessSettings {
        oom_score_adj: configuration.oom_score_adj,
        open_files: u64::try_from(configuration.max_open_files).unwrap_or(0),
        cgroup: (!cgroup.is_empty()).then(|| cgroup.to_owned()),
    }
}

/// The page with manifests, if there is one.
fn page(configuration: &Configuration) -> Option<Page> {
    let (url, headers) = (
        &configuration.static_pod_url,
        &configuration.static_pod_url_header,
    );
    let period = configuration.http_check_frequency.to_std();
    let page = Page::read(url, headers, period);
    (!url.is_empty()).then(|| page.expect("the configuration was found valid"))
}

/// How often pods are looked at, and how long containers that crash wait at most.
fn pace(configuration: &Configuration) -> Pace {
    let longest = configuration
        .crash_loop_back_off
        .max_container_restart_period
        .filter(|_| configuration.is_open("KubeletCrashLoopBackOffMax"));
    Pace {
        resync: configuration.sync_frequency.to_std(),
        longest_backoff: longest.map_or(LONGEST_BACKOFF, Duration::to_std),
    }
}

/// Which dead containers stay.
fn keep(loaded: &Loaded) -> Keep {
    let usual = Keep::default();
    let of_each = loaded.flag_number("maximum-dead-containers-per-container");
    // No number at all is written as a negative one.
    let of_each = of_each.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    Keep {
        of_each: of_each.unwrap_or(usual.of_each),
        at_least: loaded
            .flag_duration("minimum-container-ttl-duration")
            .map_or(usual.at_least, Duration::to_std),
    }
}

/// How many dead containers all pods may have together; a negative number is no limit.
fn dead_limit(loaded: &Loaded, keep: Keep) -> Option<collect::Limit> {
    let at_most = loaded.flag_number("maximum-dead-containers")?;
    Some(collect::Limit {
        at_most: usize::try_from(at_most).ok()?,
        at_least: keep.at_least,
    })
}

/// How images are pulled.
fn pulls(configuration: &Configuration) -> PullSettings {
    let number = |number: i32| u32::try_from(number).unwrap_or(0);
    let at_most = configuration.max_parallel_image_pulls;
    let at_most = at_most.and_then(|count| usize::try_from(count).ok());
    PullSettings {
        at_once: match configuration.serialize_image_pulls {
            Some(false) => at_most.filter(|count| *count > 0),
            Some(true) | None => Some(1),
        },
        per_second: number(configuration.registry_pull_qps),
        burst: number(configuration.registry_burst),
    }
}

/// For which images it matters who may have them.
fn verification(configuration: &Configuration) -> Option<Policy> {
    let policy = Policy::read(
        &configuration.image_pull_credentials_verification_policy,
        &configuration.preloaded_images_verification_allowlist,
    );
    configuration
        .is_open("KubeletEnsureSecretPulledImages")
        .then(|| policy.expect("the configuration was found valid"))
}

/// The programs that give credentials, if there are any.
fn providers(loaded: &Loaded) -> Option<ProviderPlaces> {
    let given = |name: &str| loaded.flag(name).unwrap_or_default();
    let config = given("image-credential-provider-config");
    let programs = given("image-credential-provider-bin-dir");
    let is_given = !config.is_empty() || !programs.is_empty();
    is_given.then(|| ProviderPlaces {
        config: config.into(),
        programs: programs.into(),
    })
}

/// What holds for the node's pods.
fn pods(configuration: &Configuration) -> PodSettings {
    let mut pods = PodSettings {
        allowed_unsafe_sysctls: configuration.allowed_unsafe_sysctls.clone(),
        shape: groups::shape(configuration),
        cluster_dns: configuration
            .cluster_dns
            .iter()
            .map(|text| ip(text))
            .collect(),
        cluster_domain: configuration.cluster_domain.clone(),
        ..PodSettings::default()
    };
    if configuration.seccomp_default {
        pods.default_seccomp = SeccompProfile::RuntimeDefault;
    }
    let users = configuration.user_namespaces.as_ref();
    let ids = users.and_then(|users| u32::try_from(users.ids_per_pod?).ok());
    if let Some(ids) = ids.filter(|ids| *ids > 0) {
        pods.user_ids.per_pod = ids;
        let all = (1_u64 << 32) - u64::from(pods.user_ids.first);
        pods.user_ids.ranges = u32::try_from(all / u64::from(ids)).unwrap_or(u32::MAX);
    }
    pods
}

/// Where the server listens. What upstream switches off with 0 is off when 0 is written.
fn addresses(loaded: &Loaded, ports: Ports) -> Addresses {
    let configuration = &loaded.configuration;
    let address = ip(&configuration.address);
    let free = |well_known: u16| match ports {
        Ports::WellKnown => well_known,
        Ports::Free => 0,
    };
    let port = |number: i32| u16::try_from(number).ok().filter(|port| *port > 0);
    let secure = if loaded.is_given("port") {
        port(configuration.port)
    } else {
        Some(free(10_250))
    };
    let read_only = if loaded.is_given("readOnlyPort") {
        port(configuration.read_only_port).map(|port| SocketAddr::new(address, port))
    } else {
        Some((Ipv4Addr::LOCALHOST, free(READ_ONLY_PORT)).into())
    };
    let healthz = match ports {
        Ports::Free if !loaded.is_given("healthzPort") => None,
        _ => port(configuration.healthz_port),
    };
    let is_on = configuration.enable_server;
    Addresses {
        secure: secure
            .filter(|_| is_on)
            .map(|port| SocketAddr::new(address, port)),
        read_only: read_only.filter(|_| is_on),
        healthz: healthz.map(|port| SocketAddr::new(ip(&configuration.healthz_bind_address), port)),
        socket: None,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("the configuration was found valid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Places;
    use crate::config::{CgroupVersion, Machine, Sources, Swap, load};

    fn configured(flags: &[(&str, &str)], ports: Ports) -> Settings {
        let loaded = load(&Sources {
            documents: Vec::new(),
            flags: flags
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            machine: Machine {
                cgroups: CgroupVersion::V2,
                swap: Swap::Off,
            },
        });
        let places = Places {
            manifests: "/m".into(),
            root: "/r".into(),
            pod_logs: "/l".into(),
            log_links: "/c".into(),
        };
        let settings = Settings::new("node", Path::new("/s"), places);
        settings.configured(&loaded.unwrap(), ports)
    }

    fn shown(settings: &Settings) -> [Option<String>; 3] {
        let addresses = &settings.server.addresses;
        [addresses.secure, addresses.read_only, addresses.healthz]
            .map(|address| address.map(|address| address.to_string()))
    }

    #[test]
    fn the_machines_own_kubelet_listens_on_upstreams_ports_of_loopback() {
        let expected = ["127.0.0.1:10250", "127.0.0.1:10255", "127.0.0.1:10248"];
        let settings = configured(&[], Ports::WellKnown);
        assert_eq!(shown(&settings), expected.map(|one| Some(one.to_owned())));
    }

    #[test]
    fn other_kubelets_listen_on_free_ports() {
        let free = Some("127.0.0.1:0".to_owned());
        let settings = configured(&[], Ports::Free);
        assert_eq!(shown(&settings), [free.clone(), free, None]);
    }

    #[test]
    fn what_is_configured_counts() {
        let settings = configured(
            &[
                ("address", "10.0.0.1"),
                ("port", "1"),
                ("read-only-port", "0"),
                ("healthz-port", "2"),
                ("pod-manifest-path", "/other"),
                ("anonymous-auth", "true"),
                ("enable-debugging-handlers", "false"),
                ("node-ip", "10.0.0.1,fd00::1"),
                ("root-dir", "/root"),
                ("cluster-dns", "10.96.0.10"),
                ("seccomp-default", "true"),
            ],
            Ports::Free,
        );
        let addresses = shown(&settings);
        assert_eq!(addresses[0].as_deref(), Some("10.0.0.1:1"));
        assert_eq!(addresses[1], None);
        assert_eq!(addresses[2].as_deref(), Some("127.0.0.1:2"));
        assert_eq!(settings.manifests, Path::new("/other"));
        assert_eq!(settings.server.admission, Admission::Anonymous);
        assert_eq!(settings.server.debugging, Debugging::Off);
        assert_eq!(settings.node_ips.len(), 2);
        assert_eq!(settings.pods.cluster_dns.len(), 1);
        assert_eq!(
            settings.pods.default_seccomp,
            SeccompProfile::RuntimeDefault
        );
        assert_eq!(settings.server.tls.pki, Path::new("/root/pki"));
    }

    #[test]
    fn pods_are_looked_at_and_wait_as_configured() {
        let usual = configured(&[], Ports::Free);
        assert_eq!(usual.pace, Pace::default());
        assert_eq!(usual.image_socket, None);
        let told = configured(
            &[
                ("sync-frequency", "10s"),
                ("image-service-endpoint", "unix:///i.sock"),
            ],
            Ports::Free,
        );
        assert_eq!(told.pace.resync.as_secs(), 10);
        assert_eq!(told.image_socket.as_deref(), Some(Path::new("/i.sock")));

        let mut configuration = Configuration::default();
        let longest = Some(Duration::seconds(20));
        configuration
            .crash_loop_back_off
            .max_container_restart_period = longest;
        assert_eq!(pace(&configuration).longest_backoff.as_secs(), 20);
        let gate = ("KubeletCrashLoopBackOffMax".to_owned(), false);
        configuration.feature_gates = [gate].into();
        assert_eq!(pace(&configuration).longest_backoff, LONGEST_BACKOFF);
    }

    #[test]
    fn pulls_are_as_many_as_configured() {
        let at_once = |flags: &[(&str, &str)]| configured(flags, Ports::Free).pulls.at_once;
        assert_eq!(at_once(&[]), Some(1));
        assert_eq!(at_once(&[("serialize-image-pulls", "false")]), None);
        let pulls = configured(
            &[("registry-qps", "0"), ("registry-burst", "3")],
            Ports::Free,
        )
        .pulls;
        assert_eq!((pulls.per_second, pulls.burst), (0, 3));
    }

    #[test]
    fn a_server_that_is_switched_off_leaves_its_health() {
        let settings = configured(&[("enable-server", "false")], Ports::WellKnown);
        let addresses = shown(&settings);
        assert_eq!((&addresses[0], &addresses[1]), (&None, &None));
        assert!(addresses[2].is_some());
    }
}
