//! podling's own service beside the CRI's two: what its command needs and CRI has no word for.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use podling_proto::podling::v1 as node;
use podling_proto::podling::v1::node_server::Node as NodeService;
use podling_proto::podling::v1::pull_image_progress::Step;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::image::{Credentials, ImageRecord, Images, Login, Progress};

/// The service over the image store.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) images: Arc<Images>,
}

type Told = Result<node::PullImageProgress, Status>;

#[tonic::async_trait]
impl NodeService for Node {
    async fn import_image(
        &self,
        request: Request<node::ImportImageRequest>,
    ) -> Result<Response<node::ImportImageResponse>, Status> {
        let path = request.into_inner().path;
        if !path.starts_with('/') {
            return Err(Status::invalid_argument(format!(
                "{path:?} is not an absolute path"
            )));
        }
        let imported = self.images.import(Path::new(&path)).await?;
        Ok(Response::new(node::ImportImageResponse { names: imported }))
    }

    type PullImageStream = Pin<Box<dyn Stream<Item = Told> + Send>>;

    async fn pull_image(
        &self,
        request: Request<node::PullImageRequest>,
    ) -> Result<Response<Self::PullImageStream>, Status> {
        let node::PullImageRequest {
            reference,
            username,
            password,
        } = request.into_inner();
        let login = login(username, password);
        let images = Arc::clone(&self.images);
        let (told, stream) = mpsc::channel(16);
        // Ends with the pull; when the client goes away, with the next thing to be told.
        tokio::spawn(async move { pull(&images, &reference, login, &told).await });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// Pulls, telling each layer's progress whenever it has changed, then the outcome.
async fn pull(images: &Images, reference: &str, login: Login, told: &mpsc::Sender<Told>) {
    let (progress, mut changes) = watch::channel(Progress::default());
    let mut pulling = std::pin::pin!(images.pull(reference, login, progress));
    let outcome = loop {
        tokio::select! {
            outcome = &mut pulling => break outcome,
            Ok(()) = changes.changed() => {
                let now = changes.borrow_and_update().clone();
                if tell_layers(&now, told).await.is_err() {
                    return;
                }
            }
        }
    };
    let last = match outcome {
        Ok(image) => Ok(step(Step::ImageRef(reference_of(&image)))),
        Err(error) => Err(error.into()),
    };
    // An error only says that the client is gone.
    let _ = told.send(last).await;
}

fn login(username: String, password: String) -> Login {
    let credentials = match username.is_empty() {
        true => Credentials::Anonymous,
        false => Credentials::Password { username, password },
    };
    Login {
        credentials,
        ..Login::default()
    }
}

/// The name that pins what was pulled.
fn reference_of(image: &ImageRecord) -> String {
    let digest = image.repo_digests.first().cloned();
    digest.unwrap_or_else(|| image.id.to_string())
}

async fn tell_layers(
    progress: &Progress,
    told: &mpsc::Sender<Told>,
) -> Result<(), mpsc::error::SendError<Told>> {
    for layer in &progress.layers {
        let layer = node::LayerProgress {
            digest: layer.digest.to_string(),
            done: layer.done,
            total: layer.total,
        };
        told.send(Ok(step(Step::Layer(layer)))).await?;
    }
    Ok(())
}

fn step(step: Step) -> node::PullImageProgress {
    node::PullImageProgress { step: Some(step) }
}
