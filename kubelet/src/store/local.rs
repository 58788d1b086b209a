//! Objects of manifests: one owner puts them out as a whole, any number of readers look.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

use super::{LookupError, Objects};
use crate::model::{Object, ObjectKey, ObjectNotFound, PodUid};

/// Everything that is there at one moment.
type Snapshot = Arc<BTreeMap<ObjectKey, Object>>;

/// Where the one owner puts the objects out.
#[derive(Debug)]
pub struct Shelf(watch::Sender<Snapshot>);

impl Shelf {
    /// From now on these are there, and no others.
    pub fn put(&self, objects: BTreeMap<ObjectKey, Object>) {
        self.0.send_replace(Arc::new(objects));
    }
}

/// Looks at what is put out.
#[derive(Clone, Debug)]
pub struct LocalObjects(watch::Receiver<Snapshot>);

/// An empty shelf, and a view of it.
pub fn shelf() -> (Shelf, LocalObjects) {
    let (sender, receiver) = watch::channel(Snapshot::default());
    (Shelf(sender), LocalObjects(receiver))
}

impl Objects for LocalObjects {
    fn get<'a>(
        &'a self,
        _reader: &'a PodUid,
        key: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Object, LookupError>> {
        let found = self.0.borrow().get(key).cloned();
        ready(found.ok_or_else(|| ObjectNotFound(key.clone()).into())).boxed()
    }

    /// What is put out is there whether somebody reads it or not.
    fn forget(&self, _reader: &PodUid) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConfigMap, ObjectKind};

    #[tokio::test]
    async fn what_is_put_out_is_seen_and_what_is_taken_away_is_not() {
        let (shelf, objects) = shelf();
        let key = ObjectKey::new(ObjectKind::ConfigMap, "default", "web");
        let uid = PodUid::from("uid");
        assert!(objects.get(&uid, &key).await.is_err());
        let map = Object::ConfigMap(Arc::new(ConfigMap::default()));
        shelf.put(BTreeMap::from([(key.clone(), map.clone())]));
        assert_eq!(objects.get(&uid, &key).await.unwrap(), map);
        shelf.put(BTreeMap::new());
        let error = objects.get(&uid, &key).await.unwrap_err();
        assert_eq!(error.to_string(), "configmap \"web\" not found");
    }
}
