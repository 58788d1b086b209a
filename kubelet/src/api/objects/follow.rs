//! Follows one object.

use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Seen;
use super::told::Told;
use crate::api::client::Client;
use crate::api::reflect::{News, Reflector};
use crate::model::{Object, ObjectKey, ObjectKind};
use crate::source::read_object;

/// Follows an object until `end`; one that cannot change is not asked for again.
pub(super) async fn follow(client: Client, told: Told, end: CancellationToken) {
    let key = &told.key;
    let Some(collection) = collection(key) else {
        return told.say(Seen::Missing);
    };
    let path = format!("{collection}?fieldSelector=metadata.name%3D{}", key.name);
    let reflector = Reflector::new(client, path);
    let (news, mut heard) = mpsc::channel(1);
    let mut reflecting = std::pin::pin!(reflector.run(news, end));
    loop {
        // Only receiving is cancelled.
        let news = tokio::select! {
            () = &mut reflecting => return,
            Some(news) = heard.recv() => news,
        };
        let object = match news {
            News::All(mut objects) => objects.pop(),
            News::Set(object) => Some(object),
            News::Gone(_) => None,
        };
        let is_final = object
            .as_ref()
            .is_some_and(|object| object["immutable"] == true);
        told.say(object.map_or(Seen::Missing, |object| seen(key, object)));
        if is_final {
            return told.keep().await;
        }
    }
}

/// What an object says.
pub(super) fn seen(key: &ObjectKey, object: Value) -> Seen {
    let is_bound = object["status"]["phase"] == "Bound";
    match read_object(key.kind, object) {
        Ok(Object::PersistentVolumeClaim(mut claim)) => {
            // Whoever binds claims in the cluster has said so.
            std::sync::Arc::make_mut(&mut claim).is_bound = is_bound;
            Seen::There(Object::PersistentVolumeClaim(claim))
        }
        Ok(object) => Seen::There(object),
        Err(why) => Seen::Wrong(why),
    }
}

/// The path of the collection that an object is in.
pub(super) fn collection(key: &ObjectKey) -> Option<String> {
    let namespace = &key.namespace;
    let below = |plural: &str| Some(format!("/api/v1/namespaces/{namespace}/{plural}"));
    match key.kind {
        ObjectKind::ConfigMap => below("configmaps"),
        ObjectKind::Secret => below("secrets"),
        ObjectKind::PersistentVolumeClaim => below("persistentvolumeclaims"),
        ObjectKind::PersistentVolume => Some("/api/v1/persistentvolumes".to_owned()),
        ObjectKind::RuntimeClass => Some("/apis/node.k8s.io/v1/runtimeclasses".to_owned()),
        ObjectKind::CsiDriver => Some("/apis/storage.k8s.io/v1/csidrivers".to_owned()),
        ObjectKind::ServiceAccountToken
        | ObjectKind::ClusterTrustBundle
        | ObjectKind::PodCertificate => None,
    }
}
