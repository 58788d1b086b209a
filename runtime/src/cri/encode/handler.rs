//! Runtime handlers.

use podling_proto::runtime::v1 as cri;

use crate::model::handler::HandlerFeatures;

/// A handler, with what its pods may ask for.
pub(crate) fn runtime_handler((name, features): (&str, HandlerFeatures)) -> cri::RuntimeHandler {
    cri::RuntimeHandler {
        name: name.to_owned(),
        features: Some(cri::RuntimeHandlerFeatures {
            recursive_read_only_mounts: features.recursive_read_only,
            user_namespaces: features.user_namespaces,
        }),
    }
}
