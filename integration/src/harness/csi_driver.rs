//! A CSI driver, played by a test: its volumes are directories, which it mounts where it is told to. It
//! can refuse what it is asked, never answer, go away and come back. It mounts where the node's daemon looks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use podling_proto::csi as v1;
use podling_proto::csi::node_server::{Node as Service, NodeServer};
use podling_proto::csi::node_service_capability::rpc::Type as Call;
use podling_proto::csi::node_service_capability::{Rpc, Type};
use podling_proto::csi::volume_capability::AccessType;
use podling_proto::pluginregistration as registration;
use podling_proto::pluginregistration::registration_server::{Registration, RegistrationServer};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};

use super::Node;

/// The driver's name.
pub const DRIVER: &str = "toy.csi.example.com";

/// What says in a cluster that a volume is attached to a node.
pub fn attachment(handle: &str, node: &str) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(format!("{handle}{DRIVER}{node}"));
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("csi-{digits}")
}

/// How it answers a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It does what it is asked.
    Answers,
    /// It refuses this call, and says why.
    Refuses(&'static str, &'static str),
    /// It refuses this call with this code, and says why.
    RefusesAs(Code, &'static str, &'static str),
    /// It does not answer this call, and does nothing.
    Hangs(&'static str),
}

/// A driver that serves until it is dropped.
#[derive(Debug)]
pub struct Driver {
    manner: watch::Sender<Manner>,
    told: Arc<Mutex<Vec<String>>>,
    most: Arc<AtomicI64>,
    sockets: [PathBuf; 2],
    servers: Vec<JoinHandle<()>>,
}

impl Driver {
    /// Serves below the directory of a node's kubelet; its volumes are in `store`, beside the root.
    pub fn serve(node: &Node) -> Self {
        Self::serve_in_zone(node, DRIVER, ("topology.toy.example.com/rack", "r1"))
    }

    /// The same, by another name, and with another label that says where the node is.
    pub fn serve_in_zone(node: &Node, name: &str, (key, zone): (&str, &str)) -> Self {
        let kubelet = node.root().join("var/lib/podling/kubelet");
        let store = node.folder().join("store");
        let registry = kubelet.join("plugins_registry");
        let own = kubelet.join("plugins").join(name);
        for directory in [&registry, &own, &store] {
            fs::create_dir_all(directory).expect("it can be made");
        }
        let sockets = [own.join("csi.sock"), registry.join("toy-reg.sock")];
        let (manner, told) = (watch::Sender::new(Manner::Answers), Arc::default());
        let most = Arc::new(AtomicI64::new(7));
        let toy = Toy {
            name: name.to_owned(),
            zone: (key.to_owned(), zone.to_owned()),
            store,
            mounts: Mounts(node.namespace()),
            endpoint: sockets[0].clone(),
            manner: manner.subscribe(),
            told: Arc::clone(&told),
            most: Arc::clone(&most),
        };
        let servers = sockets.iter().map(|socket| {
            let _ = fs::remove_file(socket);
            let listener = UnixListener::bind(socket).expect("the socket can be bound");
            let serving = Server::builder()
                .add_service(NodeServer::new(toy.clone()))
                .add_service(RegistrationServer::new(toy.clone()))
                .serve_with_incoming(UnixListenerStream::new(listener));
            tokio::spawn(async move {
                serving.await.expect("the driver serves");
            })
        });
        Self {
            servers: servers.collect(),
            manner,
            told,
            most,
            sockets,
        }
    }

    /// From now on it answers so.
    pub fn behave(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }

    /// From now on a node can have so many of its volumes.
    pub fn limit(&self, volumes: i64) {
        self.most.store(volumes, Ordering::Relaxed);
    }

    /// What it was told, in order: `stage HANDLE`, `publish HANDLE`, …
    pub fn told(&self) -> Vec<String> {
        self.told.lock().expect("nobody panics with it").clone()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
        for socket in &self.sockets {
            let _ = fs::remove_file(socket);
        }
    }
}

#[derive(Clone)]
struct Toy {
    name: String,
    zone: (String, String),
    store: PathBuf,
    mounts: Mounts,
    endpoint: PathBuf,
    manner: watch::Receiver<Manner>,
    told: Arc<Mutex<Vec<String>>>,
    most: Arc<AtomicI64>,
}

impl Toy {
    fn note(&self, line: String) {
        self.told.lock().expect("nobody panics with it").push(line);
    }

    /// Notes what it was told, and answers as it shall.
    async fn hear(&self, call: &'static str, handle: &str) -> Result<(), Status> {
        self.note(format!("{call} {handle}"));
        let mut manner = self.manner.clone();
        let said = *manner.borrow_and_update();
        match said {
            Manner::Refuses(of, why) if of == call => Err(Status::internal(why)),
            Manner::RefusesAs(code, of, why) if of == call => Err(Status::new(code, why)),
            Manner::Hangs(of) if of == call => std::future::pending().await,
            Manner::Answers | Manner::Refuses(..) | Manner::RefusesAs(..) | Manner::Hangs(_) => {
                Ok(())
            }
        }
    }

    /// Where the files of a volume are.
    fn files(&self, handle: &str) -> Result<PathBuf, Status> {
        let files = self.store.join(handle);
        fs::create_dir_all(&files)?;
        Ok(files)
    }
}

/// Mounts as the process with this id sees them, or as the test does.
#[derive(Clone, Copy, Debug)]
struct Mounts(Option<u32>);

impl Mounts {
    fn is_mounted(self, path: &str) -> bool {
        let process = self.0.map_or("self".to_owned(), |id| id.to_string());
        let mounts = fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap_or_default();
        mounts
            .lines()
            .any(|line| line.split(' ').nth(4) == Some(path))
    }

    /// Mounts a directory, unless it is there.
    fn bind(self, from: &Path, to: &str) -> Result<(), Status> {
        fs::create_dir_all(to)?;
        self.mount(from, to)
    }

    /// Puts a device there, unless it is there: a loop device that nobody uses.
    fn bind_device(self, device: &Path, to: &str) -> Result<(), Status> {
        use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
        if !device.exists() {
            let mode = Mode::from_raw_mode(0o600);
            let made = mknodat(CWD, device, FileType::BlockDevice, mode, makedev(7, 250));
            made.map_err(std::io::Error::from)?;
        }
        if !self.is_mounted(to) {
            fs::File::create(to)?;
        }
        self.mount(device, to)
    }

    fn mount(self, from: &Path, to: &str) -> Result<(), Status> {
        if self.is_mounted(to) {
            return Ok(());
        }
        let from = from.to_string_lossy();
        self.run(&["mount", "--bind", &from, to])
    }

    /// Makes a mount not be there.
    fn unbind(self, path: &str) -> Result<(), Status> {
        match self.is_mounted(path) {
            true => self.run(&["umount", path]),
            false => Ok(()),
        }
    }

    fn run(self, words: &[&str]) -> Result<(), Status> {
        let process = self.0.map_or("self".to_owned(), |id| id.to_string());
        let done = Command::new("nsenter")
            .arg(format!("--mount=/proc/{process}/ns/mnt"))
            .arg("--")
            .args(words)
            .output()?;
        match done.status.success() {
            true => Ok(()),
            false => Err(Status::internal(String::from_utf8_lossy(&done.stderr))),
        }
    }
}

fn is_device(capability: Option<&v1::VolumeCapability>) -> bool {
    let access = capability.and_then(|one| one.access_type.as_ref());
    matches!(access, Some(AccessType::Block(_)))
}

/// What a volume's files are owned by, as the driver is told.
fn group_of(capability: Option<&v1::VolumeCapability>) -> String {
    match capability.and_then(|one| one.access_type.as_ref()) {
        Some(AccessType::Mount(mount)) => mount.volume_mount_group.clone(),
        Some(AccessType::Block(_)) | None => String::new(),
    }
}

#[tonic::async_trait]
impl Service for Toy {
    async fn node_stage_volume(
        &self,
        request: Request<v1::NodeStageVolumeRequest>,
    ) -> Result<Response<v1::NodeStageVolumeResponse>, Status> {
        let request = request.into_inner();
        self.hear("stage", &request.volume_id).await?;
        if let Some(password) = request.secrets.get("password") {
            self.note(format!("stage with {password}"));
        }
        for (key, value) in &request.publish_context {
            self.note(format!("stage at {key}={value}"));
        }
        let files = self.files(&request.volume_id)?;
        if !is_device(request.volume_capability.as_ref()) {
            self.mounts.bind(&files, &request.staging_target_path)?;
        }
        Ok(Response::new(v1::NodeStageVolumeResponse {}))
    }

    async fn node_unstage_volume(
        &self,
        request: Request<v1::NodeUnstageVolumeRequest>,
    ) -> Result<Response<v1::NodeUnstageVolumeResponse>, Status> {
        let request = request.into_inner();
        self.hear("unstage", &request.volume_id).await?;
        self.mounts.unbind(&request.staging_target_path)?;
        Ok(Response::new(v1::NodeUnstageVolumeResponse {}))
    }

    async fn node_publish_volume(
        &self,
        request: Request<v1::NodePublishVolumeRequest>,
    ) -> Result<Response<v1::NodePublishVolumeResponse>, Status> {
        let request = request.into_inner();
        self.hear("publish", &request.volume_id).await?;
        for (key, value) in &request.volume_context {
            self.note(format!("publish with {key}={value}"));
        }
        for (key, value) in &request.publish_context {
            self.note(format!("publish at {key}={value}"));
        }
        for (key, value) in &request.secrets {
            self.note(format!("publish secretly {key}={value}"));
        }
        let group = group_of(request.volume_capability.as_ref());
        if !group.is_empty() {
            self.note(format!("publish for group {group}"));
        }
        if is_device(request.volume_capability.as_ref()) {
            let device = self.store.join(format!("{}.dev", request.volume_id));
            self.mounts.bind_device(&device, &request.target_path)?;
            return Ok(Response::new(v1::NodePublishVolumeResponse {}));
        }
        let from = match request.staging_target_path.as_str() {
            "" => self.files(&request.volume_id)?,
            staged => PathBuf::from(staged),
        };
        self.mounts.bind(&from, &request.target_path)?;
        Ok(Response::new(v1::NodePublishVolumeResponse {}))
    }

    async fn node_unpublish_volume(
        &self,
        request: Request<v1::NodeUnpublishVolumeRequest>,
    ) -> Result<Response<v1::NodeUnpublishVolumeResponse>, Status> {
        let request = request.into_inner();
        self.hear("unpublish", &request.volume_id).await?;
        self.mounts.unbind(&request.target_path)?;
        // The place is the driver's to remove.
        let _ = fs::remove_dir(&request.target_path);
        let _ = fs::remove_file(&request.target_path);
        Ok(Response::new(v1::NodeUnpublishVolumeResponse {}))
    }

    async fn node_get_volume_stats(
        &self,
        request: Request<v1::NodeGetVolumeStatsRequest>,
    ) -> Result<Response<v1::NodeGetVolumeStatsResponse>, Status> {
        let request = request.into_inner();
        self.hear("stats", &request.volume_id).await?;
        let usage = |unit: v1::volume_usage::Unit, total| v1::VolumeUsage {
            available: total - 1,
            total,
            used: 1,
            unit: unit.into(),
        };
        Ok(Response::new(v1::NodeGetVolumeStatsResponse {
            usage: vec![
                usage(v1::volume_usage::Unit::Bytes, 4096),
                usage(v1::volume_usage::Unit::Inodes, 64),
            ],
            volume_condition: None,
        }))
    }

    async fn node_expand_volume(
        &self,
        request: Request<v1::NodeExpandVolumeRequest>,
    ) -> Result<Response<v1::NodeExpandVolumeResponse>, Status> {
        let request = request.into_inner();
        self.hear("expand", &request.volume_id).await?;
        let bytes = request
            .capacity_range
            .map_or(0, |range| range.required_bytes);
        if let Some(password) = request.secrets.get("password") {
            self.note(format!("expand with {password}"));
        }
        let staged = PathBuf::from(&request.staging_target_path);
        self.note(format!("expand at {}", request.volume_path));
        self.note(format!("expand staged at {}", staged.display()));
        self.note(format!("expand to {bytes}"));
        Ok(Response::new(v1::NodeExpandVolumeResponse {
            capacity_bytes: bytes,
        }))
    }

    async fn node_get_capabilities(
        &self,
        _: Request<v1::NodeGetCapabilitiesRequest>,
    ) -> Result<Response<v1::NodeGetCapabilitiesResponse>, Status> {
        let calls = [
            Call::StageUnstageVolume,
            Call::GetVolumeStats,
            Call::ExpandVolume,
        ];
        let capabilities = calls.map(|call| v1::NodeServiceCapability {
            r#type: Some(Type::Rpc(Rpc {
                r#type: call.into(),
            })),
        });
        Ok(Response::new(v1::NodeGetCapabilitiesResponse {
            capabilities: capabilities.into(),
        }))
    }

    async fn node_get_info(
        &self,
        _: Request<v1::NodeGetInfoRequest>,
    ) -> Result<Response<v1::NodeGetInfoResponse>, Status> {
        let segments = [self.zone.clone()];
        Ok(Response::new(v1::NodeGetInfoResponse {
            node_id: "toy-node".to_owned(),
            max_volumes_per_node: self.most.load(Ordering::Relaxed),
            accessible_topology: Some(v1::Topology {
                segments: segments.into(),
            }),
        }))
    }
}

#[tonic::async_trait]
impl Registration for Toy {
    async fn get_info(
        &self,
        _: Request<registration::InfoRequest>,
    ) -> Result<Response<registration::PluginInfo>, Status> {
        Ok(Response::new(registration::PluginInfo {
            r#type: "CSIPlugin".to_owned(),
            name: self.name.clone(),
            endpoint: self.endpoint.display().to_string(),
            supported_versions: vec!["1.0.0".to_owned()],
        }))
    }

    async fn notify_registration_status(
        &self,
        request: Request<registration::RegistrationStatus>,
    ) -> Result<Response<registration::RegistrationStatusResponse>, Status> {
        let status = request.into_inner();
        self.note(format!(
            "registered {} {}",
            status.plugin_registered, status.error
        ));
        Ok(Response::new(registration::RegistrationStatusResponse {}))
    }
}
