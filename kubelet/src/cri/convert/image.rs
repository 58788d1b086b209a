//! Images on the wire.

use std::collections::BTreeMap;

use podling_proto::runtime::v1;

use crate::cri::{Image, ImageReference, Login};

pub(in crate::cri) fn image_reference_to_wire(reference: ImageReference) -> v1::ImageSpec {
    v1::ImageSpec {
        image: reference.image,
        annotations: BTreeMap::new(),
        user_specified_image: reference.user_specified,
        runtime_handler: String::new(),
        image_ref: String::new(),
    }
}

pub(in crate::cri) fn login_to_wire(login: Login) -> v1::AuthConfig {
    v1::AuthConfig {
        username: login.username,
        password: login.password,
        auth: String::new(),
        server_address: String::new(),
        identity_token: String::new(),
        registry_token: String::new(),
    }
}

pub(in crate::cri) fn image_from_wire(image: v1::Image) -> Image {
    let v1::Image {
        id,
        repo_tags,
        repo_digests,
        size,
        uid,
        username,
        spec: _,
        pinned,
    } = image;
    Image {
        id,
        tags: repo_tags,
        digests: repo_digests,
        size,
        uid: uid.map(|uid| uid.value),
        username,
        is_pinned: pinned,
    }
}
