//! What comes before a kubelet can work: its directories, its address, its runtime.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{AppError, Settings};
use crate::credential::{ProviderError, Wallet};
use crate::cri::Runtime;
use crate::host;
use crate::metrics::Metrics;
use crate::model::CgroupDriver;
use crate::pinning;
use crate::pulled::PullRecords;
use crate::server::{Doors, write_addresses};
use crate::sync::{Clock, SystemClock};

/// How often a runtime that is not there is asked again.
const MEET_AGAIN: Duration = Duration::from_millis(200);

/// For root and its group.
const CLOSED: u32 = 0o750;
/// For everybody to look into.
const OPEN: u32 = 0o755;

/// Makes the directories that are looked into, with upstream's modes; those that are there stay as they
/// are. One file may stand in the place of the manifests'.
pub(super) fn make_directories(settings: &Settings) -> Result<(), AppError> {
    let root = &settings.root;
    let below =
        ["pods", "plugins", "plugins_registry", "pod-resources"].map(|name| root.join(name));
    let below = below.iter().map(|path| (path, CLOSED));
    let own = [
        (root, CLOSED),
        (&settings.pod_logs, CLOSED),
        (&settings.log_links, OPEN),
    ];
    let manifests = Some(&settings.manifests).filter(|path| !path.is_file());
    let all = own.into_iter().chain(below);
    for (path, mode) in all.chain(manifests.map(|path| (path, OPEN))) {
        make_directory(path, mode).map_err(|source| AppError::Directory {
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

/// Makes a directory with a mode; what is above it is for everybody to pass.
fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    if let Some(above) = path.parent() {
        std::fs::create_dir_all(above)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// The machine, as far as it matters where its CPUs are.
pub(super) fn machine(settings: &Settings) -> Result<pinning::Machine, pinning::DeskError> {
    if !settings.pinning.needs_machine() {
        return Ok(pinning::Machine::default());
    }
    pinning::discover(&settings.system, host::memory_capacity()).map_err(|error| {
        let system = settings.system.display();
        pinning::DeskError(format!(
            "cannot see the machine's CPUs in {system}: {error}"
        ))
    })
}

/// What registries are shown.
pub(super) fn wallet(settings: &Settings, metrics: &Metrics) -> Result<Wallet, ProviderError> {
    Wallet::open(
        settings.docker_files(),
        settings.providers.as_ref(),
        metrics.credentials().clone(),
        Arc::new(SystemClock),
    )
}

/// Sees pulls through that an earlier kubelet did not.
pub(super) async fn recover(runtime: &dyn Runtime, records: &Arc<PullRecords>) {
    let images = match runtime.list_images().await {
        Ok(images) => images,
        Err(error) => {
            warn!(%error, "cannot see which images were being pulled");
            return;
        }
    };
    let (records, now) = (Arc::clone(records), SystemClock.now());
    match tokio::task::spawn_blocking(move || records.recover(&images, now)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(
            error = &error as &dyn std::error::Error,
            "pulls stay unknown"
        ),
        Err(error) => warn!(%error, "pulls stay unknown"),
    }
}

/// Listens, and writes down where.
pub(super) async fn listen(settings: &Settings) -> Result<Doors, AppError> {
    let doors = Doors::open(&settings.server.addresses, &settings.server.tls).await?;
    let addresses = doors.addresses();
    let [secure, read_only, healthz] = addresses
        .map(|address| address.map_or_else(|| "off".to_owned(), |address| address.to_string()));
    info!(secure, read_only, healthz, "serving");
    if let Some(path) = &settings.address_file {
        write_addresses(path, addresses).map_err(|source| AppError::AddressFile {
            path: path.clone(),
            source,
        })?;
    }
    Ok(doors)
}

/// Who makes the upper cgroups: the runtime, which puts containers there, knows best. Nothing when
/// `shutdown` comes first.
pub(super) async fn cgroup_driver(
    runtime: &dyn Runtime,
    configured: CgroupDriver,
    shutdown: &CancellationToken,
) -> Option<CgroupDriver> {
    loop {
        match runtime.cgroup_driver().await {
            Ok(Some(driver)) => {
                if driver != configured {
                    let (driver, configured) = (driver.as_str(), configured.as_str());
                    info!(driver, configured, "the runtime's cgroup driver counts");
                }
                return Some(driver);
            }
            Ok(None) => return Some(configured),
            Err(error) => warn!(%error, "cannot ask the runtime for its cgroup driver"),
        }
        // Asking again is all that is lost by stopping here.
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = tokio::time::sleep(MEET_AGAIN) => {}
        }
    }
}

/// The runtime's name, as soon as it answers; nothing when `shutdown` comes first.
pub(super) async fn meet(runtime: &dyn Runtime, shutdown: &CancellationToken) -> Option<String> {
    let mut complained = false;
    loop {
        match runtime.version().await {
            Ok(version) => {
                info!(
                    runtime = version.name,
                    version = version.version,
                    "the runtime answers"
                );
                return Some(version.name);
            }
            Err(error) if !complained => {
                complained = true;
                warn!(%error, "waiting for the runtime");
            }
            Err(_) => {}
        }
        // Asking again is all that is lost by stopping here.
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = tokio::time::sleep(MEET_AGAIN) => {}
        }
    }
}
