//! The runtime as a part of this process.

use std::error::Error;
use std::sync::Arc;

use podling_runtime::app::{Cni, Runtime, Settings, StreamingSettings};
use podling_runtime::layout::Layout;
use podling_runtime::network::PodNetwork;
use tokio_util::sync::CancellationToken;

use super::config::RuntimeConfiguration;
use super::part::Part;
use super::programs;

/// Where pods go whose client names no cgroup.
pub(crate) const DEFAULT_CGROUP_PARENT: &str = "/podling";

/// Takes over the pods of the last run and begins to serve; also gives the network, to be taken
/// down once nothing hangs on it any more.
pub(super) async fn start(
    layout: &Layout,
    configured: RuntimeConfiguration,
) -> Result<(Part, Arc<PodNetwork>), Box<dyn Error>> {
    let RuntimeConfiguration {
        cgroup_driver,
        cgroup_parent,
        network,
        nri,
        streaming,
        registries,
        handlers,
        metrics_address,
        // The log has begun before the runtime.
        logging: _,
    } = configured;
    let settings = Settings {
        root: layout.root().to_owned(),
        programs: programs::of_this_build(layout)?,
        bridge: network.bridge,
        pod_cidr: network.pod_cidr,
        cni: Cni {
            conf_dir: network.cni_conf_dir,
            bin_dirs: network.cni_bin_dirs,
            time_limit: network.cni_timeout,
        },
        nri: nri.plugins(),
        cgroup_parent,
        cgroup_driver,
        streaming: StreamingSettings {
            address: streaming.address,
            idle: streaming.idle_timeout,
        },
        metrics_address,
        registries: registries.settings(),
        handlers,
    };
    let stop = CancellationToken::new();
    let own = settings.programs.clone();
    let runtime = Runtime::open(settings, stop.clone()).await?;
    // Nobody but this daemon uses the root by now.
    programs::forget_others(layout, &own);
    let network = Arc::clone(&runtime.lifecycle().parts().network);
    let part = Part::spawn("runtime", stop, async move { Ok(runtime.serve().await?) });
    Ok((part, network))
}
