//! A device plugin, played by a test: it registers with a node, lists devices that the test makes
//! healthy or not, and answers with what tells its devices.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use podling_proto::deviceplugin as v1beta1;
use podling_proto::deviceplugin::device_plugin_server::{DevicePlugin, DevicePluginServer};
use podling_proto::deviceplugin::registration_client::RegistrationClient;
use podling_proto::pluginregistration as registration;
use podling_proto::pluginregistration::registration_server::{Registration, RegistrationServer};
use podling_proto::podresources::pod_resources_lister_client::PodResourcesListerClient;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{UnixListenerStream, WatchStream};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Channel, Endpoint, Server, Uri};
use tonic::{Request, Response, Status};

/// What the devices are of.
pub const RESOURCE: &str = "example.com/toy";

/// How it answers when it shall make devices ready.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Answers,
    Refuses(&'static str),
    Hangs,
}

type Devices = Vec<(&'static str, &'static str)>;

/// A plugin that serves until it is dropped.
#[derive(Debug)]
pub struct Plugin {
    devices: watch::Sender<Devices>,
    manner: watch::Sender<Manner>,
    told: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<Vec<String>>>,
    socket: PathBuf,
    server: JoinHandle<()>,
}

impl Plugin {
    /// Serves below a directory, by a socket of this name.
    pub fn serve(directory: &Path, name: &str) -> Self {
        std::fs::create_dir_all(directory).expect("it can be made");
        let socket = directory.join(name);
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).expect("the socket can be bound");
        let healthy: Devices = vec![("one", "Healthy"), ("two", "Healthy"), ("bad", "Unhealthy")];
        let devices = watch::Sender::new(healthy);
        let manner = watch::Sender::new(Manner::Answers);
        let told = Arc::<Mutex<Vec<String>>>::default();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let toy = Toy {
            directory: directory.to_owned(),
            devices: devices.subscribe(),
            manner: manner.subscribe(),
            told: Arc::clone(&told),
            asked: Arc::clone(&asked),
        };
        let serving = Server::builder()
            .add_service(DevicePluginServer::new(toy.clone()))
            .add_service(RegistrationServer::new(toy))
            .serve_with_incoming(UnixListenerStream::new(listener));
        let server = tokio::spawn(async move {
            serving.await.expect("the plugin serves");
        });
        Self {
            devices,
            manner,
            told,
            asked,
            socket,
            server,
        }
    }

    /// Registers on the kubelet's socket.
    pub async fn register(&self, version: &str) -> Result<(), Status> {
        let kubelet = self.socket.with_file_name("kubelet.sock");
        let channel = channel(kubelet).await?;
        let name = self.socket.file_name().expect("a socket has a name");
        let request = v1beta1::RegisterRequest {
            version: version.to_owned(),
            endpoint: name.to_string_lossy().into_owned(),
            resource_name: RESOURCE.to_owned(),
            options: None,
        };
        RegistrationClient::new(channel).register(request).await?;
        Ok(())
    }

    /// From now on these are all devices, each with its health.
    pub fn list(&self, devices: &[(&'static str, &'static str)]) {
        self.devices.send_replace(devices.to_vec());
    }

    /// From now on it makes no device ready, and says why.
    pub fn refuse(&self, why: &'static str) {
        self.manner.send_replace(Manner::Refuses(why));
    }

    /// From now on it never answers when it shall make devices ready.
    pub fn hang(&self) {
        self.manner.send_replace(Manner::Hangs);
    }

    /// Of which devices it was asked which it likes best, in order: `2 of one,two with two`.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics with it").clone()
    }

    /// What it was told, in order.
    pub fn told(&self) -> Vec<String> {
        self.told.lock().expect("nobody panics with it").clone()
    }
}

/// Who tells which pods of a node have which devices, by a socket.
pub async fn lister(socket: PathBuf) -> Result<PodResourcesListerClient<Channel>, Status> {
    Ok(PodResourcesListerClient::new(channel(socket).await?))
}

async fn channel(socket: PathBuf) -> Result<Channel, Status> {
    let connector = tower::service_fn(move |_: Uri| {
        let socket = socket.clone();
        async move {
            let stream = UnixStream::connect(socket).await;
            stream.map(hyper_util::rt::TokioIo::new)
        }
    });
    Endpoint::from_static("http://kubelet.invalid")
        .connect_with_connector(connector)
        .await
        .map_err(|error| Status::unavailable(error.to_string()))
}

impl Drop for Plugin {
    fn drop(&mut self) {
        self.server.abort();
        let _ = std::fs::remove_file(&self.socket);
    }
}

#[derive(Clone)]
struct Toy {
    directory: PathBuf,
    manner: watch::Receiver<Manner>,
    devices: watch::Receiver<Devices>,
    told: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Toy {
    fn note(&self, line: String) {
        self.told.lock().expect("nobody panics with it").push(line);
    }
}

#[tonic::async_trait]
impl DevicePlugin for Toy {
    async fn get_device_plugin_options(
        &self,
        _: Request<v1beta1::Empty>,
    ) -> Result<Response<v1beta1::DevicePluginOptions>, Status> {
        Ok(Response::new(v1beta1::DevicePluginOptions {
            pre_start_required: true,
            get_preferred_allocation_available: true,
        }))
    }

    type ListAndWatchStream =
        std::pin::Pin<Box<dyn Stream<Item = Result<v1beta1::ListAndWatchResponse, Status>> + Send>>;

    async fn list_and_watch(
        &self,
        _: Request<v1beta1::Empty>,
    ) -> Result<Response<Self::ListAndWatchStream>, Status> {
        let lists = WatchStream::new(self.devices.clone());
        let lists = lists.map(|devices| {
            let devices = devices.into_iter().map(|(id, health)| v1beta1::Device {
                id: id.to_owned(),
                health: health.to_owned(),
                topology: None,
            });
            Ok(v1beta1::ListAndWatchResponse {
                devices: devices.collect(),
            })
        });
        Ok(Response::new(Box::pin(lists)))
    }

    async fn get_preferred_allocation(
        &self,
        request: Request<v1beta1::PreferredAllocationRequest>,
    ) -> Result<Response<v1beta1::PreferredAllocationResponse>, Status> {
        let requests = request.into_inner().container_requests.into_iter();
        // The last ones of the alphabet are preferred.
        let responses = requests.map(|one| {
            let mut ids = one.available_device_i_ds;
            ids.sort();
            let mut needed = one.must_include_device_i_ds;
            needed.sort();
            let size = one.allocation_size;
            let line = format!("{size} of {} with {}", ids.join(","), needed.join(","));
            self.asked.lock().expect("nobody panics with it").push(line);
            ids.reverse();
            ids.truncate(usize::try_from(one.allocation_size).unwrap_or(0));
            v1beta1::ContainerPreferredAllocationResponse { device_i_ds: ids }
        });
        Ok(Response::new(v1beta1::PreferredAllocationResponse {
            container_responses: responses.collect(),
        }))
    }

    async fn allocate(
        &self,
        request: Request<v1beta1::AllocateRequest>,
    ) -> Result<Response<v1beta1::AllocateResponse>, Status> {
        let manner = *self.manner.borrow();
        let requests = request.into_inner().container_requests;
        let all = requests.iter().map(|one| one.devices_ids.join(","));
        all.for_each(|ids| self.note(format!("allocate {ids}")));
        match manner {
            Manner::Answers => {}
            Manner::Refuses(why) => return Err(Status::unknown(why)),
            Manner::Hangs => std::future::pending().await,
        }
        let responses = requests.into_iter().map(|one| {
            let ids = one.devices_ids.join(",");
            v1beta1::ContainerAllocateResponse {
                envs: [("TOYS".to_owned(), ids)].into(),
                mounts: vec![v1beta1::Mount {
                    container_path: "/toys".to_owned(),
                    host_path: self.directory.to_string_lossy().into_owned(),
                    read_only: true,
                }],
                devices: vec![v1beta1::DeviceSpec {
                    container_path: "/dev/toy".to_owned(),
                    host_path: "/dev/null".to_owned(),
                    permissions: "rw".to_owned(),
                }],
                annotations: [("example.com/toys".to_owned(), "yes".to_owned())].into(),
                cdi_devices: Vec::new(),
            }
        });
        Ok(Response::new(v1beta1::AllocateResponse {
            container_responses: responses.collect(),
        }))
    }

    async fn pre_start_container(
        &self,
        request: Request<v1beta1::PreStartContainerRequest>,
    ) -> Result<Response<v1beta1::PreStartContainerResponse>, Status> {
        let ids = request.into_inner().devices_ids.join(",");
        self.note(format!("start {ids}"));
        Ok(Response::new(v1beta1::PreStartContainerResponse {}))
    }
}

#[tonic::async_trait]
impl Registration for Toy {
    async fn get_info(
        &self,
        _: Request<registration::InfoRequest>,
    ) -> Result<Response<registration::PluginInfo>, Status> {
        Ok(Response::new(registration::PluginInfo {
            r#type: "DevicePlugin".to_owned(),
            name: RESOURCE.to_owned(),
            endpoint: String::new(),
            supported_versions: vec!["v1beta1".to_owned()],
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
