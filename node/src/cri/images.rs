//! Images: listed and removed through CRI; pulled and imported through the node's own service, which shares
//! the socket.

use std::path::Path;

use podling_proto::podling::v1::node_client::NodeClient;
use podling_proto::podling::v1::{
    ImportImageRequest, PullImageProgress, PullImageRequest, pull_image_progress::Step,
};
use podling_proto::runtime::v1::image_service_client::ImageServiceClient;
use podling_proto::runtime::v1::{
    ImageSpec, ImageStatusRequest, ListImagesRequest, RemoveImageRequest,
};
use tonic::Streaming;
use tonic::transport::Channel;

use super::CallError;
use crate::print::images::Image;
use crate::print::progress::Layer;

/// News of a pull.
#[derive(Debug)]
pub(crate) enum PullStep {
    /// A layer has come further.
    Layer(Layer),
    /// The image stands, under this reference.
    Done(String),
}

/// A pull on its way.
#[derive(Debug)]
pub(crate) struct Pulling {
    reference: String,
    steps: Streaming<PullImageProgress>,
}

impl Pulling {
    /// The next news; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<PullStep>, CallError> {
        loop {
            let message = self
                .steps
                .message()
                .await
                .map_err(pull_failed(&self.reference))?;
            let Some(message) = message else {
                return Ok(None);
            };
            match message.step {
                Some(Step::ImageRef(reference)) => return Ok(Some(PullStep::Done(reference))),
                Some(Step::Layer(layer)) => {
                    let (digest, done, total) = (layer.digest, layer.done, layer.total);
                    return Ok(Some(PullStep::Layer(Layer {
                        digest,
                        done,
                        total,
                    })));
                }
                // A step that a later daemon added says nothing to this command.
                None => {}
            }
        }
    }
}

/// Who asks a registry. Never printed: there is no Debug.
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: String,
}

/// Begins to pull `reference`.
pub(crate) async fn pull(
    channel: Channel,
    reference: &str,
    credentials: Option<Credentials>,
) -> Result<Pulling, CallError> {
    let (username, password) =
        credentials.map_or_else(Default::default, |shown| (shown.username, shown.password));
    let request = PullImageRequest {
        reference: reference.to_owned(),
        username,
        password,
    };
    let answer = NodeClient::new(channel).pull_image(request).await;
    let steps = answer.map_err(pull_failed(reference))?.into_inner();
    Ok(Pulling {
        reference: reference.to_owned(),
        steps,
    })
}

fn pull_failed(reference: &str) -> impl FnOnce(tonic::Status) -> CallError {
    CallError::while_trying_to(format!("pull {reference}"))
}

/// Imports every image of an archive, whose path must be absolute; returns their names.
pub(crate) async fn import(channel: Channel, archive: &Path) -> Result<Vec<String>, CallError> {
    let attempt = format!("import {}", archive.display());
    let Some(path) = archive.to_str() else {
        let not_text = tonic::Status::invalid_argument("its path is not UTF-8");
        return Err(CallError::while_trying_to(attempt)(not_text));
    };
    let request = ImportImageRequest {
        path: path.to_owned(),
    };
    let answer = NodeClient::new(channel).import_image(request).await;
    Ok(answer
        .map_err(CallError::while_trying_to(attempt))?
        .into_inner()
        .names)
}

/// What a removal came to.
pub(crate) enum Removed {
    /// The image is gone with these names; its id when it had none.
    Names(Vec<String>),
    /// There was no such image.
    Nothing,
}

/// Removes the image that `name` means, with all its names.
pub(crate) async fn remove_image(channel: Channel, name: &str) -> Result<Removed, CallError> {
    let attempt = || CallError::while_trying_to(format!("remove {name}"));
    let mut client = ImageServiceClient::new(channel);
    let named = |image: String| {
        Some(ImageSpec {
            image,
            ..ImageSpec::default()
        })
    };
    let asked = ImageStatusRequest {
        image: named(name.to_owned()),
        verbose: false,
    };
    let status = client.image_status(asked).await.map_err(attempt())?;
    let Some(image) = status.into_inner().image else {
        return Ok(Removed::Nothing);
    };
    let request = RemoveImageRequest {
        image: named(image.id.clone()),
    };
    client.remove_image(request).await.map_err(attempt())?;
    let mut names = image.repo_tags;
    names.extend(image.repo_digests);
    if names.is_empty() {
        names.push(image.id);
    }
    Ok(Removed::Names(names))
}

/// Every image of the node.
pub(crate) async fn list_images(channel: Channel) -> Result<Vec<Image>, CallError> {
    let answer = ImageServiceClient::new(channel)
        .list_images(ListImagesRequest::default())
        .await;
    let images = answer
        .map_err(CallError::while_trying_to("list the images"))?
        .into_inner()
        .images;
    let images = images.into_iter().map(|image| Image {
        id: image.id,
        tags: image.repo_tags,
        digests: image.repo_digests,
        size: image.size,
    });
    Ok(images.collect())
}
