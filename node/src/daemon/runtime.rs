//! The runtime as a part of this process.

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use podling_runtime::app::{Cni, Runtime, Settings};
use podling_runtime::image::RegistrySettings;
use podling_runtime::layout::Layout;
use podling_runtime::network::PodNetwork;
use tokio_util::sync::CancellationToken;

use super::part::Part;
use super::{programs, settings};
use crate::args::RuntimeArguments;

/// Where pods go whose client names no cgroup.
pub(super) const DEFAULT_CGROUP_PARENT: &str = "/podling";

/// Takes over the pods of the last run and begins to serve; also gives the network, to be taken
/// down once nothing hangs on it any more.
pub(super) async fn start(
    layout: &Layout,
    arguments: &RuntimeArguments,
    cgroup_parent: &str,
) -> Result<(Part, Arc<PodNetwork>), Box<dyn Error>> {
    let settings = Settings {
        root: layout.root().to_owned(),
        programs: programs::beside_this_one()?,
        bridge: arguments.bridge.clone(),
        pod_cidr: settings::subnet(&arguments.pod_cidr)?,
        cni: Cni {
            conf_dir: arguments.cni_conf_dir.clone(),
            bin_dirs: settings::directories(&arguments.cni_bin_dir),
            time_limit: Duration::from_secs(arguments.cni_timeout.into()),
        },
        cgroup_parent: cgroup_parent.to_owned(),
        // Only processes of this machine, and whatever port is free: clients are told the URL.
        streaming_address: (Ipv4Addr::LOCALHOST, 0).into(),
        registries: RegistrySettings::default(),
    };
    let stop = CancellationToken::new();
    let runtime = Runtime::open(settings, stop.clone()).await?;
    let network = Arc::clone(&runtime.lifecycle().parts().network);
    let part = Part::spawn("runtime", stop, async move { Ok(runtime.serve().await?) });
    Ok((part, network))
}
