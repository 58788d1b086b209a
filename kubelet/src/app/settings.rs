//! What can be chosen about a kubelet.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::allocation::{ManagerPolicy, ResizeRules};
use crate::api::ClusterSettings;
use crate::collect;
use crate::config::Configuration;
use crate::credential::{DockerFiles, ProviderPlaces};
use crate::cri::Deadlines;
use crate::device;
use crate::evict;
use crate::execute::{PodSettings, PullSettings};
use crate::metrics::FeatureGate;
use crate::node::Reserve;
use crate::pinning;
use crate::plan::Keep;
use crate::pleg::Intervals;
use crate::pulled::Policy;
use crate::resource::{CgroupDriver, GroupSettings, Tree};
use crate::rotate;
use crate::server::{
    self, Addresses, Admission, Debugging, Reviews, SystemLogs, TlsSettings, TlsWords,
};
use crate::shutdown::Share;
use crate::source::Page;
use crate::sync::Pace;

/// Everything that can be chosen about a kubelet.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node's name, part of every static pod's name.
    pub node_name: String,
    /// The node's addresses, the primary first; when empty, the one that routes outward.
    pub node_ips: Vec<IpAddr>,
    /// Addresses that the pods of a node get that stands alone (`podCIDR`); empty to leave that to the
    /// runtime.
    pub pod_cidr: String,
    /// The runtime's socket.
    pub runtime_socket: PathBuf,
    /// The cluster to join.
    pub cluster: Option<ClusterSettings>,
    /// Where static pods are described.
    pub manifests: PathBuf,
    /// The page that describes more of them.
    pub page: Option<Page>,
    /// Where volumes and the kubelet's own files are.
    pub root: PathBuf,
    /// Where pods' logs are.
    pub pod_logs: PathBuf,
    /// Where links to containers' logs are.
    pub log_links: PathBuf,
    /// Where the runtime speaks of images, when not on its socket.
    pub image_socket: Option<PathBuf>,
    /// How its process shall be.
    pub process: ProcessSettings,
    /// The cgroup below which `kubepods` is; `/` for the top.
    pub cgroup_root: String,
    /// Whether pods have cgroups of their own.
    pub cgroup_tree: Tree,
    /// What is configured of the cgroups above the pods.
    pub groups: GroupSettings,
    /// Who makes the pods' cgroups.
    pub cgroup_driver: CgroupDriver,
    /// The HTTP server.
    pub server: server::Settings,
    /// Where the addresses it got are written as JSON.
    pub address_file: Option<PathBuf>,
    /// What holds for the node's pods.
    pub pods: PodSettings,
    /// How many images are pulled at once, and how often.
    pub pulls: PullSettings,
    /// Whose logins at registries every pod may use, beside those of the kubelet's own directory.
    pub home: Option<PathBuf>,
    /// For which images it matters who may have them; nothing when it never does.
    pub verification: Option<Policy>,
    /// The programs that give credentials.
    pub providers: Option<ProviderPlaces>,
    /// Labels of the node object, beside those that every node has.
    pub node_labels: Vec<(String, String)>,
    /// What is kept from pods.
    pub reserve: Reserve,
    /// Feature gates, for metrics.
    pub gates: Vec<FeatureGate>,
    /// The configuration, for who asks for it.
    pub configuration: Arc<Map<String, Value>>,
    /// The resolv.conf that pods inherit.
    pub resolv_conf: PathBuf,
    /// The hosts file that pods of the host's network see.
    pub hosts_file: PathBuf,
    /// How often the manifests are read even if nothing tells of a change.
    pub rescan: Duration,
    /// How often everything in the runtime is listed.
    pub relist: Intervals,
    /// How often pods are looked at, and how long containers that crash wait at most.
    pub pace: Pace,
    /// Which dead containers stay.
    pub keep: Keep,
    /// How many all pods may have together, if that is limited.
    pub dead_limit: Option<collect::Limit>,
    /// How long a call to the runtime may take.
    pub deadlines: Deadlines,
    /// How many images the node object lists; all without a number.
    pub most_images: Option<usize>,
    /// Features that whoever places or changes pods may count on, in order.
    pub declared_features: Option<Vec<&'static str>>,
    /// Who has CPUs for himself.
    pub pinning: pinning::Settings,
    /// Where the kernel shows the machine's CPUs and memory.
    pub system: PathBuf,
    /// How long it is good how full volumes are (`volumeStatsAggPeriod`); nothing when that is not told.
    pub volume_stats: Option<Duration>,
    /// When pods are given up for the node's sake.
    pub eviction: evict::Policy,
    /// Which images nobody needs.
    pub image_collection: collect::Policy,
    /// When logs are rotated; never without one.
    pub log_rotation: Option<rotate::Policy>,
    /// Where the machine's logs are, if they are shown.
    pub system_logs: Option<SystemLogs>,
    /// Who has how long when the machine goes down; nobody is waited for when there are none.
    pub shutdown: Vec<Share>,
    /// Where logind is told how long to wait.
    pub logind_drop_ins: PathBuf,
    /// What becomes of the pods when the kubelet ends.
    pub at_end: AtEnd,
}

/// How the process shall be in which a kubelet runs; whoever has the process sees to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessSettings {
    /// How readily the kernel ends it when memory is short (`oomScoreAdj`).
    pub oom_score_adj: i32,
    /// How many files it may have open at least (`maxOpenFiles`).
    pub open_files: u64,
    /// The cgroup that it joins (`kubeletCgroups`).
    pub cgroup: Option<String>,
}

/// What becomes of the pods when the kubelet ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtEnd {
    /// They go on; the next kubelet takes them over.
    #[default]
    LeavePods,
    /// They end first, each within its grace period.
    EndPods,
}

impl Settings {
    /// Where plugins are looked for.
    pub(super) fn plugin_places(&self) -> device::Places {
        device::Places {
            devices: self.root.join("device-plugins"),
        }
    }

    /// Settings with the defaults of a kubelet for everything but names and places.
    pub fn new(node_name: &str, runtime_socket: &Path, places: Places) -> Self {
        let Places {
            manifests,
            root,
            pod_logs,
            log_links,
        } = places;
        let pki = root.join("pki");
        Self {
            node_name: node_name.to_owned(),
            pod_cidr: String::new(),
            node_ips: Vec::new(),
            runtime_socket: runtime_socket.to_owned(),
            cluster: None,
            manifests,
            page: None,
            root,
            pod_logs,
            log_links,
            image_socket: None,
            process: ProcessSettings::default(),
            cgroup_root: "/".to_owned(),
            cgroup_tree: Tree::default(),
            groups: GroupSettings::default(),
            cgroup_driver: CgroupDriver::default(),
            server: server::Settings {
                addresses: Addresses {
                    read_only: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
                    ..Addresses::default()
                },
                tls: TlsSettings {
                    pki,
                    signed: None,
                    identity: None,
                    client_ca: None,
                    words: TlsWords::default(),
                    names: vec![
                        node_name.to_owned(),
                        "localhost".to_owned(),
                        "127.0.0.1".to_owned(),
                    ],
                },
                admission: Admission::default(),
                reviews: Reviews::default(),
                debugging: Debugging::default(),
            },
            address_file: None,
            pods: PodSettings::default(),
            pulls: PullSettings::default(),
            home: None,
            verification: Some(Policy::default()),
            providers: None,
            node_labels: Vec::new(),
            reserve: Reserve::of(&Configuration::default()),
            gates: Configuration::default().gates(),
            configuration: Arc::new(Configuration::default().to_json()),
            resolv_conf: "/etc/resolv.conf".into(),
            hosts_file: "/etc/hosts".into(),
            rescan: Duration::from_secs(20),
            relist: Intervals::default(),
            pace: Pace::default(),
            keep: Keep::default(),
            dead_limit: None,
            deadlines: Deadlines::default(),
            most_images: Some(50),
            declared_features: Configuration::default().declared_features(),
            pinning: pinning::Settings::default(),
            system: "/sys/devices/system".into(),
            volume_stats: Some(Duration::from_secs(60)),
            eviction: evict::Policy::of(&Configuration::default()),
            image_collection: collect::Policy::of(&Configuration::default()),
            log_rotation: rotate::Policy::of(&Configuration::default()),
            system_logs: Some(SystemLogs::below("/var/log".into())),
            shutdown: Vec::new(),
            logind_drop_ins: "/etc/systemd/logind.conf.d".into(),
            at_end: AtEnd::default(),
        }
    }
}

impl Settings {
    /// What stands against other sizes of containers that run.
    pub(super) fn resize_rules(&self) -> ResizeRules {
        let policy = |field: &str, word: &str| match self.configuration.get(field) {
            Some(Value::String(policy)) if policy == word => ManagerPolicy::Static,
            _ => ManagerPolicy::None,
        };
        ResizeRules {
            shape: self.pods.shape.clone(),
            cpus: policy("cpuManagerPolicy", "static"),
            memory: policy("memoryManagerPolicy", "Static"),
        }
    }

    /// Where docker's files of logins may lie.
    pub(super) fn docker_files(&self) -> DockerFiles {
        DockerFiles::new(&self.root, self.home.as_deref())
    }
}

/// The directories of a kubelet.
#[derive(Clone, Debug)]
pub struct Places {
    /// Where static pods are described.
    pub manifests: PathBuf,
    /// Where volumes and the kubelet's own files are.
    pub root: PathBuf,
    /// Where pods' logs are.
    pub pod_logs: PathBuf,
    /// Where links to containers' logs are.
    pub log_links: PathBuf,
}
