//! Objects of manifests: one owner puts them out as a whole, any number of readers look.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

use super::bind::{Bindings, bind};
use super::{LookupError, Objects};
use crate::model::{Object, ObjectKey, ObjectKind, ObjectNotFound, PodUid};

/// Everything that is there at one moment.
type Snapshot = Arc<BTreeMap<ObjectKey, Object>>;

/// Where the one owner puts the objects out.
#[derive(Debug)]
pub struct Shelf {
    seen: watch::Sender<Snapshot>,
    /// Where it is written down which claim has which volume.
    record: PathBuf,
}

impl Shelf {
    /// From now on these are there, and no others; says which came, changed or went. Claims have
    /// their volumes, and that is written down before anybody sees it.
    pub fn put(
        &self,
        mut objects: BTreeMap<ObjectKey, Object>,
    ) -> Result<BTreeSet<ObjectKey>, RecordError> {
        let before = read(&self.record)?;
        let mut bindings = before.clone();
        bind(&mut objects, &mut bindings);
        if bindings != before {
            write(&self.record, &bindings)?;
        }
        let old = self.seen.send_replace(Arc::new(objects));
        let new = self.seen.borrow();
        let keys = old.keys().chain(new.keys());
        let changed = keys.filter(|key| old.get(key) != new.get(key));
        Ok(changed.map(looked_up_as).collect())
    }
}

/// Why it is not known which claim has which volume.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the record of claims {path}")]
pub struct RecordError {
    /// Which file.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

fn read(record: &Path) -> Result<Bindings, RecordError> {
    let read = match std::fs::read(record) {
        Ok(text) => serde_json::from_slice(&text).map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Bindings::default()),
        Err(error) => Err(error),
    };
    read.map_err(|source| RecordError {
        path: record.to_owned(),
        source,
    })
}

/// The record is whole, old or new, whenever the machine stops.
fn write(record: &Path, bindings: &Bindings) -> Result<(), RecordError> {
    let replace = || {
        let unfinished = record.with_extension("new");
        let file = std::fs::File::create(&unfinished)?;
        serde_json::to_writer(&file, bindings)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, record)?;
        let directory = record.parent().unwrap_or(Path::new("/"));
        std::fs::File::open(directory)?.sync_all()
    };
    replace().map_err(|source| RecordError {
        path: record.to_owned(),
        source,
    })
}

/// Looks at what is put out.
#[derive(Clone, Debug)]
pub struct LocalObjects(watch::Receiver<Snapshot>);

/// An empty shelf and a view of it; below `root` it is written down which claim has which volume.
pub fn shelf(root: &Path) -> (Shelf, LocalObjects) {
    let (seen, receiver) = watch::channel(Snapshot::default());
    let record = root.join("volume-claims.json");
    (Shelf { seen, record }, LocalObjects(receiver))
}

/// Bundles of authorities are looked up all at once.
fn looked_up_as(key: &ObjectKey) -> ObjectKey {
    match key.kind {
        ObjectKind::ClusterTrustBundle => ObjectKey::trust_bundles(),
        _ => key.clone(),
    }
}

fn trust_bundles(all: &BTreeMap<ObjectKey, Object>) -> Object {
    let bundles = all.iter().filter_map(|(key, object)| match object {
        Object::TrustBundle(bundle) => Some((key.name.clone(), Arc::clone(bundle))),
        _ => None,
    });
    Object::TrustBundles(Arc::new(bundles.collect()))
}

impl Objects for LocalObjects {
    fn get<'a>(
        &'a self,
        _reader: &'a PodUid,
        key: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Object, LookupError>> {
        let found = match *key == ObjectKey::trust_bundles() {
            true => Some(trust_bundles(&self.0.borrow())),
            false => self.0.borrow().get(key).cloned(),
        };
        ready(found.ok_or_else(|| ObjectNotFound(key.clone()).into())).boxed()
    }

    /// What is put out is there whether somebody reads it or not.
    fn forget(&self, _reader: &PodUid) {}
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::model::{ConfigMap, TrustBundle};

    #[tokio::test]
    async fn what_is_put_out_is_seen_and_what_is_taken_away_is_not() {
        let root = TempDir::new().unwrap();
        let (shelf, objects) = shelf(root.path());
        let key = ObjectKey::new(ObjectKind::ConfigMap, "default", "web");
        let uid = PodUid::from("uid");
        assert!(objects.get(&uid, &key).await.is_err());
        let map = Object::ConfigMap(Arc::new(ConfigMap::default()));
        let all = BTreeMap::from([(key.clone(), map.clone())]);
        assert_eq!(shelf.put(all.clone()).unwrap(), [key.clone()].into());
        assert_eq!(objects.get(&uid, &key).await.unwrap(), map);
        assert_eq!(shelf.put(all).unwrap(), BTreeSet::new());
        assert_eq!(shelf.put(BTreeMap::new()).unwrap(), [key.clone()].into());
        let error = objects.get(&uid, &key).await.unwrap_err();
        assert_eq!(error.to_string(), "configmap \"web\" not found");
    }

    #[tokio::test]
    async fn bundles_of_authorities_are_looked_up_all_at_once() {
        let root = TempDir::new().unwrap();
        let (shelf, objects) = shelf(root.path());
        let (uid, all) = (PodUid::from("uid"), ObjectKey::trust_bundles());
        let bundle = Arc::new(TrustBundle {
            signer: String::new(),
            labels: BTreeMap::new(),
            anchors: vec![vec![1]],
        });
        let key = ObjectKey::new(ObjectKind::ClusterTrustBundle, "", "own");
        let put = BTreeMap::from([(key, Object::TrustBundle(Arc::clone(&bundle)))]);
        assert_eq!(shelf.put(put).unwrap(), [all.clone()].into());
        let found = objects.get(&uid, &all).await.unwrap();
        let expected = BTreeMap::from([("own".to_owned(), bundle)]);
        assert_eq!(found, Object::TrustBundles(Arc::new(expected)));
    }
}
