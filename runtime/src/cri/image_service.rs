//! ImageService.

use std::collections::BTreeMap;
use std::sync::Arc;

use podling_proto::runtime::v1 as cri;
use podling_proto::runtime::v1::image_service_server::ImageService;
use tokio::sync::watch;
use tonic::{Request, Response};

use super::decode::{DecodeError, login};
use super::encode::{filesystem_usage, image, image_info};
use super::list;
use super::runtime_service::{Answer, Streamed};
use super::streams;
use crate::image;
use crate::lifecycle::Lifecycle;

/// ImageService over the image store.
#[derive(Debug)]
pub(super) struct Images {
    pub(super) images: Arc<image::Images>,
    pub(super) lifecycle: Lifecycle,
}

#[tonic::async_trait]
impl ImageService for Images {
    async fn list_images(
        &self,
        request: Request<cri::ListImagesRequest>,
    ) -> Answer<cri::ListImagesResponse> {
        let wanted = self.wanted(request.into_inner().filter);
        let images = wanted.iter().map(image).collect();
        list::answer(cri::ListImagesResponse { images })
    }

    async fn image_status(
        &self,
        request: Request<cri::ImageStatusRequest>,
    ) -> Answer<cri::ImageStatusResponse> {
        let cri::ImageStatusRequest {
            image: spec,
            verbose,
        } = request.into_inner();
        let name = named(spec)?;
        let found = self.images.resolve(&name);
        let info = match &found {
            Some(record) if verbose => {
                let document = self.images.document(&record.id).await?;
                image_info(record, document.as_deref())
            }
            _ => BTreeMap::new(),
        };
        Ok(Response::new(cri::ImageStatusResponse {
            image: found.as_ref().map(image),
            info,
        }))
    }

    async fn pull_image(
        &self,
        request: Request<cri::PullImageRequest>,
    ) -> Answer<cri::PullImageResponse> {
        let cri::PullImageRequest {
            image: spec,
            auth,
            sandbox_config: _,
        } = request.into_inner();
        let (name, login) = (named(spec)?, login(auth)?);
        // Ends early when the client goes away or its deadline passes: the future is dropped.
        let pulled = self.images.pull(&name, login, watch::Sender::default());
        let pulled = pulled.await?;
        Ok(Response::new(cri::PullImageResponse {
            image_ref: pulled.id.to_string(),
        }))
    }

    async fn remove_image(
        &self,
        request: Request<cri::RemoveImageRequest>,
    ) -> Answer<cri::RemoveImageResponse> {
        let name = named(request.into_inner().image)?;
        let lifecycle = self.lifecycle.clone();
        let in_use = move || lifecycle.parts().pods.images_in_use();
        self.images.remove(&name, in_use).await?;
        Ok(Response::new(cri::RemoveImageResponse {}))
    }

    async fn image_fs_info(
        &self,
        _: Request<cri::ImageFsInfoRequest>,
    ) -> Answer<cri::ImageFsInfoResponse> {
        let usage = filesystem_usage(&self.images.usage());
        Ok(Response::new(cri::ImageFsInfoResponse {
            image_filesystems: vec![usage.clone()],
            // Writable layers lie on the same file system.
            container_filesystems: vec![usage],
        }))
    }

    type StreamImagesStream = Streamed<cri::StreamImagesResponse>;

    async fn stream_images(
        &self,
        request: Request<cri::StreamImagesRequest>,
    ) -> Answer<Self::StreamImagesStream> {
        let wanted = self.wanted(request.into_inner().filter);
        Ok(Response::new(streams::images(wanted)))
    }
}

impl Images {
    /// The images that a filter wants: all, or the one that a name means.
    fn wanted(&self, filter: Option<cri::ImageFilter>) -> Vec<image::ImageRecord> {
        let named = filter
            .and_then(|filter| filter.image)
            .filter(|spec| !spec.image.is_empty());
        match named {
            Some(spec) => self.images.resolve(&spec.image).into_iter().collect(),
            None => self.images.list(),
        }
    }
}

fn named(spec: Option<cri::ImageSpec>) -> Result<String, DecodeError> {
    let name = spec.map(|spec| spec.image).unwrap_or_default();
    if name.is_empty() {
        Err(DecodeError::Missing("image.image"))
    } else {
        Ok(name)
    }
}
