//! The kubelet as a part of this process.

use std::error::Error;
use std::fs;
use std::path::Path;

use podling_kubelet::app::{self, AtEnd, Places, Ports, Settings, SystemLogs};
use podling_kubelet::config::Loaded;
use podling_runtime::cgroup::CgroupDriver;
use podling_runtime::layout::Layout;
use tokio_util::sync::CancellationToken;

use super::part::Part;
use super::{process, settings};
use crate::args::KubeletFlags;
use crate::kubelet::{address_file, socket as kubelet_socket};

/// Where pods' cgroups are when nothing is configured.
const DEFAULT_CGROUP_ROOT: &str = "/podling";

/// The cgroup below which every pod gets its own.
pub(super) fn cgroup_root(loaded: &Loaded) -> String {
    loaded
        .cgroup_root()
        .unwrap_or(DEFAULT_CGROUP_ROOT)
        .to_owned()
}

/// Who is to make the upper cgroups, when the kubelet's configuration says so.
pub(super) fn cgroup_driver(loaded: &Loaded) -> Option<CgroupDriver> {
    // Every other word was refused when it was read.
    loaded.cgroup_driver()?.parse().ok()
}

/// Begins to run pods on the runtime behind `socket`.
pub(super) fn start(
    layout: &Layout,
    flags: KubeletFlags,
    loaded: &Loaded,
    socket: &Path,
    at_end: AtEnd,
) -> Result<Part, Box<dyn Error>> {
    if let Some(warning) = loaded.warning() {
        tracing::warn!("{warning}");
    }
    // The runtime's directory, which is not there yet when another runtime is used.
    fs::create_dir_all(layout.run_dir())?;
    let machine = rustix::system::uname();
    let hostname = machine.nodename().to_string_lossy();
    let named = flags
        .node_name
        .or_else(|| loaded.flag("hostname-override").map(str::to_owned));
    let name = settings::node_name(named, &hostname);
    let places = Places {
        manifests: layout.root().join("etc/podling/manifests"),
        root: layout.state_dir().join("kubelet"),
        pod_logs: layout.root().join("var/log/pods"),
        log_links: layout.root().join("var/log/containers"),
    };
    let ports = if layout.root() == Path::new("/") {
        Ports::WellKnown
    } else {
        Ports::Free
    };
    let mut settings = Settings {
        cgroup_root: cgroup_root(loaded),
        address_file: Some(address_file(layout)),
        at_end,
        system_logs: Some(SystemLogs::below(layout.root().join("var/log"))),
        ..Settings::new(&name, socket, places)
    };
    settings = settings.configured(loaded, ports);
    settings.logind_drop_ins = layout.root().join("etc/systemd/logind.conf.d");
    settings.server.addresses.socket = Some(kubelet_socket(layout));
    if let Some(manifests) = flags.manifests {
        settings.manifests = manifests;
    }
    if flags.listen.is_some() {
        settings.server.addresses.read_only = flags.listen;
    }
    // A node with a root of its own has nothing to do with the machine's logins.
    settings.home = std::env::home_dir().filter(|_| layout.root() == Path::new("/"));
    process::arrange(&settings.process);
    let stop = CancellationToken::new();
    let work = app::run(settings, stop.clone());
    Ok(Part::spawn("kubelet", stop, async move { Ok(work.await?) }))
}
