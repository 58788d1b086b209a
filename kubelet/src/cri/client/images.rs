//! Images, over CRI.

use futures::FutureExt;
use podling_proto::runtime::v1;

use super::Client;
use crate::cri::convert::{
    image_from_wire, image_reference_to_wire, login_to_wire, sandbox_to_wire,
};
use crate::cri::{Call, Image, ImageReference, Images, Login, PulledImage, SandboxConfig};

impl Images for Client {
    fn image(&self, reference: ImageReference) -> Call<'_, Option<Image>> {
        let mut images = self.images.clone();
        async move {
            let request = v1::ImageStatusRequest {
                image: Some(image_reference_to_wire(reference)),
                verbose: false,
            };
            let answer = images.image_status(request);
            let status = self
                .within("ImageStatus", self.deadlines.request, answer)
                .await?;
            Ok(status.image.map(image_from_wire))
        }
        .boxed()
    }

    fn list_images(&self) -> Call<'_, Vec<Image>> {
        let mut images = self.images.clone();
        async move {
            let answer = images.list_images(v1::ListImagesRequest::default());
            let list = self
                .within("ListImages", self.deadlines.request, answer)
                .await?;
            Ok(list.images.into_iter().map(image_from_wire).collect())
        }
        .boxed()
    }

    fn remove_image(&self, reference: ImageReference) -> Call<'_, ()> {
        let mut images = self.images.clone();
        async move {
            let request = v1::RemoveImageRequest {
                image: Some(image_reference_to_wire(reference)),
            };
            let answer = images.remove_image(request);
            self.within("RemoveImage", self.deadlines.request, answer)
                .await
                .map(drop)
        }
        .boxed()
    }

    fn pull_image(
        &self,
        reference: ImageReference,
        login: Option<Login>,
        sandbox_config: SandboxConfig,
    ) -> Call<'_, PulledImage> {
        let mut images = self.images.clone();
        async move {
            let request = v1::PullImageRequest {
                image: Some(image_reference_to_wire(reference)),
                auth: login.map(login_to_wire),
                sandbox_config: Some(sandbox_to_wire(sandbox_config)),
            };
            let pulled = self
                .at_last("PullImage", images.pull_image(request))
                .await?;
            Ok(PulledImage {
                reference: pulled.image_ref,
            })
        }
        .boxed()
    }
}
