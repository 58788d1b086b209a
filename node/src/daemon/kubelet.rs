//! The kubelet as a part of this process.

use std::error::Error;
use std::fs;
use std::path::Path;

use podling_kubelet::app::{self, AtEnd, Places, Settings};
use podling_runtime::layout::Layout;
use tokio_util::sync::CancellationToken;

use super::part::Part;
use super::settings;
use crate::args::KubeletFlags;
use crate::kubelet::address_file;

/// Begins to run pods on the runtime behind `socket`.
pub(super) fn start(
    layout: &Layout,
    flags: KubeletFlags,
    socket: &Path,
    at_end: AtEnd,
) -> Result<Part, Box<dyn Error>> {
    // The runtime's directory, which is not there yet when another runtime is used.
    fs::create_dir_all(layout.run_dir())?;
    let machine = rustix::system::uname();
    let name = settings::node_name(flags.node_name, &machine.nodename().to_string_lossy());
    let manifests = flags
        .manifests
        .unwrap_or_else(|| layout.root().join("etc/podling/manifests"));
    let places = Places {
        manifests,
        root: layout.state_dir().join("kubelet"),
        pod_logs: layout.root().join("var/log/pods"),
    };
    let mut settings = Settings {
        cgroup_root: flags.cgroup_root,
        address_file: Some(address_file(layout)),
        at_end,
        ..Settings::new(&name, socket, places)
    };
    let addresses = &mut settings.server.addresses;
    addresses.secure = Some(settings::secure(layout.root()));
    addresses.read_only = Some(settings::listen(flags.listen, layout.root()));
    addresses.socket = Some(crate::kubelet::socket(layout));
    let stop = CancellationToken::new();
    let work = app::run(settings, stop.clone());
    Ok(Part::spawn("kubelet", stop, async move { Ok(work.await?) }))
}
