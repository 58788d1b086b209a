//! podling-launch from its first instruction to its report.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use oci_spec::runtime::{LinuxIdMapping, LinuxNamespaceType, Spec};
use rustix::fs::Mode;

use crate::model::process::{CapabilityMasks, DEFAULT_UMASK};
use crate::monitor::launcher::{LaunchReport, REPORT_FD};
use crate::monitor::protocol::{LaunchFailure, LaunchRequest, LaunchStage, OciLaunch};
use crate::monitor::wire;
use crate::sys::{cgroup, credentials, mount, oom, rlimit, stdio};

use super::compilation::Compilation;
use super::complaints::Complaints;
use super::create::{self, Creation, Started};
use super::executor::{Filter, Labels, LastSteps};
use super::failure::{failed, failure};
use super::spec::{self, Facts};
use super::{capability, oci, stage};

/// Runs podling-launch; returns the exit code of the process.
pub fn main() -> i32 {
    let Ok(socket) = stdio::inherited(REPORT_FD) else {
        eprintln!("podling-launch is started by podling-monitor, with a socket as descriptor 3");
        return 2;
    };
    let (report, terminal) = match begin(&socket) {
        Ok(Some(Started { pid, terminal })) => (LaunchReport::Started { pid }, terminal),
        Ok(None) => return 0,
        Err(failure) => (LaunchReport::Failed(failure), None),
    };
    let fds: Vec<BorrowedFd<'_>> = terminal.iter().map(AsFd::as_fd).collect();
    i32::from(wire::send(socket.as_fd(), &report, &fds).is_err())
}

fn begin(socket: &OwnedFd) -> Result<Option<Started>, LaunchFailure> {
    let streams = take_streams().map_err(failed(LaunchStage::Request, "standard streams"))?;
    let request = wire::receive::<LaunchRequest>(socket.as_fd())
        .map_err(failed(LaunchStage::Request, "reading the request"))?;
    match request {
        Some(message) => launch(message, streams).map(Some),
        None => Ok(None),
    }
}

fn launch(
    mut message: wire::Message<LaunchRequest>,
    streams: [OwnedFd; 3],
) -> Result<Started, LaunchFailure> {
    let no_host = || failure(LaunchStage::Request, "the host's mounts are not with it");
    let host = message.fds.pop().ok_or_else(no_host)?;
    let request = &message.body;
    let complaints =
        Complaints::collect().map_err(failed(LaunchStage::Request, "collecting errors"))?;
    // The monitor's own files are nobody else's; a container's files are as on any host.
    rustix::process::umask(Mode::from_raw_mode(DEFAULT_UMASK));
    let spec = load(&request.bundle)?;
    spec::check(&spec).map_err(|error| failure(LaunchStage::Spec, error))?;
    check_terminal(request, &spec)?;
    let profile = spec
        .linux()
        .as_ref()
        .and_then(|linux| linux.seccomp().clone());
    let compiling = profile
        .map(|profile| Compilation::begin(&profile, request))
        .transpose()?;
    join_cgroup(request)?;
    let host_proc = mount::open_dir(Path::new("/proc"))
        .map_err(failed(LaunchStage::Create, "opening /proc"))?;
    set_oom_score(&spec, host_proc.as_fd())?;
    let prepared = Prepared {
        request,
        spec,
        streams,
        compiling,
        host_proc,
    };
    match &request.oci {
        Some(oci) => prepared.run_oci(oci, host.as_fd()),
        None => prepared.run(host.as_fd(), &complaints),
    }
}

/// What both ways of making a container begin with.
struct Prepared<'a> {
    request: &'a LaunchRequest,
    spec: Spec,
    streams: [OwnedFd; 3],
    compiling: Option<Compilation>,
    host_proc: OwnedFd,
}

impl Prepared<'_> {
    /// With libcontainer.
    fn run(self, host: BorrowedFd<'_>, complaints: &Complaints) -> Result<Started, LaunchFailure> {
        let Self {
            request,
            mut spec,
            streams,
            compiling,
            host_proc,
        } = self;
        let stage = stage::prepare(request, host, &spec)?;
        let facts = Facts {
            bounding: bounding()?,
            hard_limits: hard_limits(&spec)?,
            rootfs: stage.rootfs.clone(),
            sources: stage.sources.clone(),
            mount_namespace: stage.namespace_path(),
            cgroup_view: stage.cgroup_view.clone(),
            cgroup_path: Path::new("/").join(request.container_id.as_str()),
            lends_capabilities: compiling.is_some() && !has_no_new_privs(&spec),
        };
        let own = own_capabilities(&spec).filter(|_| facts.lends_capabilities);
        let labels = labels(&spec);
        spec::adjust(&mut spec, &facts);
        let filter = match compiling {
            Some(compiling) => Some(Rc::new(Filter {
                instructions: compiling.finish()?,
                capabilities: own,
            })),
            None => None,
        };
        let last_steps = LastSteps {
            host_proc: Rc::new(host_proc),
            labels: Rc::new(labels),
            filter,
        };
        let creation = Creation {
            id: request.container_id.as_str(),
            spec: &spec,
            scratch: &stage.scratch,
            streams,
            last_steps,
        };
        create::run(creation, complaints)
    }

    /// With a runtime of the machine, which compiles and loads the filter itself; execs load ours.
    fn run_oci(self, oci: &OciLaunch, host: BorrowedFd<'_>) -> Result<Started, LaunchFailure> {
        let Self {
            request, mut spec, ..
        } = self;
        let stage = stage::prepare_beside_cgroups(request, host, &spec)?;
        let facts = oci::Facts {
            bounding: bounding()?,
            hard_limits: hard_limits(&spec)?,
            rootfs: stage.rootfs.clone(),
            sources: stage.sources.clone(),
            ids: ids(&spec)?,
        };
        oci::adjust(&mut spec, &facts);
        if let Some(compiling) = self.compiling {
            compiling.finish()?;
        }
        let creation = oci::Creation {
            id: &request.container_id,
            spec: &spec,
            stage: &stage,
            streams: self.streams,
        };
        oci::run(oci, request, creation)
    }
}

fn bounding() -> Result<u64, LaunchFailure> {
    credentials::bounding().map_err(failed(LaunchStage::Create, "reading the bounding set"))
}

/// The ids of the user namespace that the spec joins.
fn ids(spec: &Spec) -> Result<Option<[Vec<LinuxIdMapping>; 2]>, LaunchFailure> {
    let linux = spec.linux().as_ref();
    let namespaces = linux.into_iter().flat_map(|linux| linux.namespaces());
    let of_user = namespaces
        .flatten()
        .find(|namespace| namespace.typ() == LinuxNamespaceType::User);
    let path = of_user.and_then(|namespace| namespace.path().as_ref());
    // `/proc/PID/ns/user`, beside which are `/proc/PID/uid_map` and `gid_map`.
    let Some(process) = path.and_then(|path| path.parent()?.parent()) else {
        return Ok(None);
    };
    let read = |file| {
        let text = fs::read_to_string(process.join(file));
        text.map(|text| oci::id_maps(&text))
            .map_err(failed(LaunchStage::Create, "reading the pod's ids"))
    };
    Ok(Some([read("uid_map")?, read("gid_map")?]))
}

/// The container's streams, out of the places where this program's own errors would go.
fn take_streams() -> std::io::Result<[OwnedFd; 3]> {
    let streams = [
        stdio::out_of_the_way(rustix::stdio::stdin())?,
        stdio::out_of_the_way(rustix::stdio::stdout())?,
        stdio::out_of_the_way(rustix::stdio::stderr())?,
    ];
    let null = stdio::null()?;
    stdio::install([null.as_fd(); 3])?;
    Ok(streams)
}

fn load(bundle: &Path) -> Result<Spec, LaunchFailure> {
    let path = bundle.join("config.json");
    let text = fs::read(&path).map_err(failed(
        LaunchStage::Spec,
        &format!("reading {}", path.display()),
    ))?;
    serde_json::from_slice(&text).map_err(failed(
        LaunchStage::Spec,
        &format!("reading {}", path.display()),
    ))
}

/// The monitor reads a terminal or pipes, as its request says; the container writes as the spec says.
fn check_terminal(request: &LaunchRequest, spec: &Spec) -> Result<(), LaunchFailure> {
    let process = spec.process().as_ref();
    let has_terminal = process.and_then(|process| process.terminal()) == Some(true);
    match has_terminal == request.tty {
        true => Ok(()),
        false => Err(failure(
            LaunchStage::Spec,
            "request and spec differ about a terminal",
        )),
    }
}

/// On v2 this process was born in the cgroup that it works in.
fn join_cgroup(request: &LaunchRequest) -> Result<(), LaunchFailure> {
    let at_join = |what| failed::<std::io::Error>(LaunchStage::Cgroup, what);
    let dirs = request.working_cgroup();
    match cgroup::unified(dirs).map_err(at_join("opening the cgroup"))? {
        Some(_) => Ok(()),
        None => cgroup::join(dirs).map_err(at_join("joining the cgroup")),
    }
}

fn set_oom_score(spec: &Spec, proc: BorrowedFd<'_>) -> Result<(), LaunchFailure> {
    let wanted = spec
        .process()
        .as_ref()
        .and_then(|process| process.oom_score_adj());
    // Without a wish the container gets the default, not what the daemon protects itself with.
    oom::set_score(proc, wanted.unwrap_or(0))
        .map_err(failed(LaunchStage::Create, "oom_score_adj"))?;
    Ok(())
}

fn labels(spec: &Spec) -> Labels {
    let named = |label: &Option<String>| label.clone().filter(|label| !label.is_empty());
    let process = spec.process().as_ref();
    Labels {
        apparmor: process.and_then(|process| named(process.apparmor_profile())),
        selinux: process.and_then(|process| named(process.selinux_label())),
    }
}

fn has_no_new_privs(spec: &Spec) -> bool {
    spec.process()
        .as_ref()
        .and_then(|process| process.no_new_privileges())
        == Some(true)
}

fn own_capabilities(spec: &Spec) -> Option<CapabilityMasks> {
    spec.process()
        .as_ref()?
        .capabilities()
        .as_ref()
        .map(capability::masks)
}

fn hard_limits(spec: &Spec) -> Result<BTreeMap<i32, u64>, LaunchFailure> {
    let limits = spec
        .process()
        .as_ref()
        .and_then(|process| process.rlimits().as_ref());
    limits
        .into_iter()
        .flatten()
        .map(|limit| spec::rlimit_number(limit.typ()))
        .map(|number| Ok((number, rlimit::hard_limit(number)?)))
        .collect::<std::io::Result<_>>()
        .map_err(failed(LaunchStage::Create, "reading resource limits"))
}
