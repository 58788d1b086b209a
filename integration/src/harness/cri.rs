//! gRPC clients on a node's socket.

use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use hyper_util::rt::TokioIo;
use podling_proto::podling::v1::ImportImageRequest;
use podling_proto::podling::v1::node_client::NodeClient;
use podling_proto::runtime::v1::image_service_client::ImageServiceClient;
use podling_proto::runtime::v1::runtime_service_client::RuntimeServiceClient;
use podling_proto::runtime::v1::{
    Container, Image, ImageSpec, ImageStatusRequest, ListContainersRequest, ListPodSandboxRequest,
    PodSandbox, PullImageRequest, RemoveImageRequest,
};
use rustix::fs::{Mode, OFlags};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// One client of each service.
#[derive(Clone, Debug)]
pub struct Cri {
    /// Sandboxes and containers.
    pub runtime: RuntimeServiceClient<Channel>,
    /// Images.
    pub images: ImageServiceClient<Channel>,
    /// podling's own.
    pub node: NodeClient<Channel>,
}

impl Cri {
    /// Connects to the socket.
    pub async fn connect(socket: &Path) -> Result<Self, tonic::transport::Error> {
        let path = socket.to_owned();
        let connector = service_fn(move |_| open(path.clone()));
        let endpoint = Endpoint::from_static("http://podling");
        let channel = endpoint.connect_with_connector(connector).await?;
        Ok(Self {
            runtime: RuntimeServiceClient::new(channel.clone()),
            images: ImageServiceClient::new(channel.clone()),
            node: NodeClient::new(channel),
        })
    }

    /// Imports an archive and returns the names of its images.
    pub async fn import(&self, archive: &Path) -> Result<Vec<String>, tonic::Status> {
        let path = archive
            .to_str()
            .expect("paths of tests are text")
            .to_owned();
        let answer = self
            .node
            .clone()
            .import_image(ImportImageRequest { path })
            .await?;
        Ok(answer.into_inner().names)
    }

    /// Pulls an image and returns its id.
    pub async fn pull(&self, image: &str) -> Result<String, tonic::Status> {
        let request = PullImageRequest {
            image: named(image),
            ..PullImageRequest::default()
        };
        let answer = self.images.clone().pull_image(request).await?;
        Ok(answer.into_inner().image_ref)
    }

    /// Removes an image with all its names.
    pub async fn remove_image(&self, image: &str) -> Result<(), tonic::Status> {
        let request = RemoveImageRequest {
            image: named(image),
        };
        self.images.clone().remove_image(request).await?;
        Ok(())
    }

    /// What is known of an image; `None` when it is not here.
    pub async fn image(&self, image: &str) -> Option<Image> {
        let request = ImageStatusRequest {
            image: named(image),
            verbose: false,
        };
        let answer = self.images.clone().image_status(request).await;
        answer
            .expect("an image may be asked for")
            .into_inner()
            .image
    }

    /// Every container, running or not.
    pub async fn containers(&self) -> Vec<Container> {
        let answer = self
            .runtime
            .clone()
            .list_containers(ListContainersRequest::default())
            .await;
        answer
            .expect("containers are listed")
            .into_inner()
            .containers
    }

    /// Every sandbox, ready or not.
    pub async fn sandboxes(&self) -> Vec<PodSandbox> {
        let answer = self
            .runtime
            .clone()
            .list_pod_sandbox(ListPodSandboxRequest::default())
            .await;
        answer.expect("sandboxes are listed").into_inner().items
    }
}

fn named(image: &str) -> Option<ImageSpec> {
    Some(ImageSpec {
        image: image.to_owned(),
        ..ImageSpec::default()
    })
}

/// Opens the socket through its directory, because the path may be longer than an address holds.
async fn open(socket: PathBuf) -> io::Result<TokioIo<UnixStream>> {
    let (Some(parent), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = rustix::fs::open(parent, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let short = format!("/proc/self/fd/{}", directory.as_raw_fd());
    UnixStream::connect(Path::new(&short).join(name))
        .await
        .map(TokioIo::new)
}
