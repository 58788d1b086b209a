//! The files of a volume that is made of ConfigMaps, Secrets and the pod's own fields: pure.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use super::environment::{Facts, field, resource};
use super::trust;
use crate::model::{
    CertificatePaths, CertificateWish, DownwardFile, DownwardValue, Files, FilesSource, KeyToPath,
    Object, ObjectKey, ObjectReference, PodCertificate, PodSpec, Token, TokenRequest, TrustWish,
};
use crate::store::LookupError;
use crate::volume::{Payload, PayloadFile};

/// Every object that a pod's volumes refer to, or why it is not to be had.
pub(super) type Objects = BTreeMap<ObjectKey, Result<Object, LookupError>>;

/// The files of a volume, or all that is missing. Of two sources with one path the later wins.
pub(super) fn payload(
    files: &Files,
    facts: Facts<'_>,
    objects: &Objects,
) -> Result<Payload, String> {
    let mut payload = Payload::new();
    let mut problems = Vec::new();
    for source in &files.sources {
        let made = match source {
            FilesSource::Object(of) => of_object(of, files.default_mode, facts, objects),
            FilesSource::Downward(items) => downward(items, files.default_mode, facts),
            FilesSource::Token { request, path } => token(request, facts, objects)
                .map(|token| vec![(path.clone(), token.as_str().as_bytes().to_vec())])
                .map(|texts| private(texts, files.default_mode, facts)),
            FilesSource::Trust {
                wish,
                optional,
                path,
            } => trusted(wish, *optional, facts, objects)
                .map(|anchors| vec![(path.clone(), anchors)])
                .map(|texts| private(texts, files.default_mode, facts)),
            FilesSource::Certificate { wish, paths } => certificate(wish, facts, objects)
                .map(|found| certificate_files(&found, paths))
                .map(|texts| private(texts, files.default_mode, facts)),
        };
        match made {
            Ok(made) => payload.extend(made),
            Err(problem) => problems.push(problem),
        }
    }
    match problems.as_slice() {
        [] => Ok(payload),
        [one] => Err(one.clone()),
        several => Err(format!("[{}]", several.join(", "))),
    }
}

fn of_object(
    of: &ObjectReference,
    mode: u32,
    facts: Facts<'_>,
    objects: &Objects,
) -> Result<Payload, String> {
    let key = ObjectKey::new(of.kind, &facts.pod.name.namespace, &of.name);
    let object = match objects.get(&key) {
        Some(Ok(object)) => object,
        Some(Err(LookupError::NotFound(_))) if of.optional => return Ok(Payload::new()),
        Some(Err(error)) => return Err(error.to_string()),
        None => return Err(format!("{key} was not looked up")),
    };
    if of.items.is_empty() {
        let all = entries(object).into_iter();
        return Ok(all
            .map(|(key, bytes)| (key.to_owned(), file(bytes, mode)))
            .collect());
    }
    let mut payload = Payload::new();
    for item in &of.items {
        match value(object, &item.key) {
            Some(bytes) => {
                let mode = item.mode.unwrap_or(mode);
                payload.insert(item.path.clone(), file(bytes, mode));
            }
            None if of.optional => {}
            None => return Err(no_key(object, item)),
        }
    }
    Ok(payload)
}

fn token(request: &TokenRequest, facts: Facts<'_>, objects: &Objects) -> Result<Token, String> {
    let key = request.key(&facts.pod.name.namespace);
    match objects.get(&key) {
        Some(Ok(Object::Token(token))) => Ok(token.clone()),
        Some(Err(error)) => Err(format!("failed to fetch token: {error}")),
        Some(Ok(_)) | None => Err(format!("{key} was not looked up")),
    }
}

fn trusted(
    wish: &TrustWish,
    optional: bool,
    facts: Facts<'_>,
    objects: &Objects,
) -> Result<Vec<u8>, String> {
    let key = ObjectKey::trust_bundles();
    match objects.get(&key) {
        Some(Ok(Object::TrustBundles(bundles))) => {
            trust::anchors(wish, optional, bundles, &facts.pod.uid)
        }
        Some(Err(error)) => Err(whole(error)),
        Some(Ok(_)) | None => Err(format!("{key} was not looked up")),
    }
}

fn certificate(
    wish: &CertificateWish,
    facts: Facts<'_>,
    objects: &Objects,
) -> Result<PodCertificate, String> {
    let key = wish.key(&facts.pod.name.namespace);
    match objects.get(&key) {
        Some(Ok(Object::PodCertificate(found))) => Ok(found.clone()),
        Some(Err(error)) => Err(whole(error)),
        Some(Ok(_)) | None => Err(format!("{key} was not looked up")),
    }
}

/// An error with what is behind it.
fn whole(error: &LookupError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn certificate_files(of: &PodCertificate, paths: &CertificatePaths) -> Vec<(String, Vec<u8>)> {
    let bundle = format!("{}{}", of.key, of.chain);
    [
        (&paths.bundle, bundle.as_str()),
        (&paths.key, &of.key),
        (&paths.chain, &of.chain),
    ]
    .into_iter()
    .filter_map(|(path, text)| Some((path.clone()?, text.as_bytes().to_vec())))
    .collect()
}

/// What shows who a pod is belongs to the one user that its containers run as, if that is known; he, or
/// the pod's group, may then read it, and nobody else.
fn private(texts: Vec<(String, Vec<u8>)>, mode: u32, facts: Facts<'_>) -> Payload {
    let spec = &facts.pod.spec;
    let owner = only_user(spec);
    let mode = match owner.is_some() || spec.security.fs_group.is_some() {
        true => 0o600,
        false => mode,
    };
    let files = texts.into_iter().map(|(path, bytes)| {
        let file = PayloadFile { bytes, mode, owner };
        (path, file)
    });
    files.collect()
}

/// The user of all containers, when each says one and all say the same.
fn only_user(spec: &PodSpec) -> Option<u32> {
    let general = spec.security.identity;
    let mut users = spec
        .init_containers
        .iter()
        .chain(&spec.containers)
        .map(|one| one.security.identity.or(general).run_as_user);
    let first = users.next()??;
    let is_of_all = users.all(|user| user == Some(first));
    u32::try_from(first).ok().filter(|_| is_of_all)
}

fn file(bytes: &[u8], mode: u32) -> PayloadFile {
    PayloadFile {
        bytes: bytes.to_vec(),
        mode,
        owner: None,
    }
}

fn entries(object: &Object) -> Vec<(&str, &[u8])> {
    match object {
        Object::ConfigMap(map) => map.entries().collect(),
        Object::Secret(secret) => {
            let all = secret.data.iter();
            all.map(|(key, bytes)| (key.as_str(), bytes.as_slice()))
                .collect()
        }
        // Other kinds have no keys, and no files are made of them.
        Object::PersistentVolume(_)
        | Object::PersistentVolumeClaim(_)
        | Object::RuntimeClass(_)
        | Object::CsiDriver(_)
        | Object::Token(_)
        | Object::TrustBundle(_)
        | Object::TrustBundles(_)
        | Object::PodCertificate(_) => Vec::new(),
    }
}

fn value<'a>(object: &'a Object, key: &str) -> Option<&'a [u8]> {
    match object {
        Object::ConfigMap(map) => map.bytes(key),
        Object::Secret(secret) => secret.data.get(key).map(Vec::as_slice),
        Object::PersistentVolume(_)
        | Object::PersistentVolumeClaim(_)
        | Object::RuntimeClass(_)
        | Object::CsiDriver(_)
        | Object::Token(_)
        | Object::TrustBundle(_)
        | Object::TrustBundles(_)
        | Object::PodCertificate(_) => None,
    }
}

fn no_key(object: &Object, item: &KeyToPath) -> String {
    let key = &item.key;
    match object {
        Object::ConfigMap(_) => format!("configmap references non-existent config key: {key}"),
        _ => format!("references non-existent secret key: {key}"),
    }
}

fn downward(items: &[DownwardFile], mode: u32, facts: Facts<'_>) -> Result<Payload, String> {
    let mut payload = Payload::new();
    for item in items {
        let text = match &item.value {
            DownwardValue::Field(path) => {
                field(path, facts).ok_or_else(|| format!("unsupported fieldPath: {path}"))?
            }
            DownwardValue::Resource(of) => resource(of, facts.allocatable),
        };
        let mode = item.mode.unwrap_or(mode);
        payload.insert(item.path.clone(), file(text.as_bytes(), mode));
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::execute::Allocatable;
    use crate::model::{ConfigMap, FilesKind, ObjectKind, ObjectNotFound, RestartPolicy, Secret};
    use crate::plan::fixture;

    fn objects() -> Objects {
        let map = ConfigMap {
            data: [("colour".to_owned(), "blue".to_owned())].into(),
            binary_data: [("picture".to_owned(), vec![0xff])].into(),
        };
        let secret = Secret {
            data: [("key".to_owned(), b"1234".to_vec())].into(),
            ..Secret::default()
        };
        let missing = ObjectKey::new(ObjectKind::ConfigMap, "default", "nowhere");
        [
            (
                ObjectKey::new(ObjectKind::ConfigMap, "default", "web"),
                Ok(Object::ConfigMap(Arc::new(map))),
            ),
            (
                ObjectKey::new(ObjectKind::Secret, "default", "door"),
                Ok(Object::Secret(Arc::new(secret))),
            ),
            (missing.clone(), Err(ObjectNotFound(missing).into())),
        ]
        .into()
    }

    fn of(kind: ObjectKind, name: &str, items: &[(&str, &str, Option<u32>)]) -> ObjectReference {
        let item = |(key, path, mode): &(&str, &str, Option<u32>)| KeyToPath {
            key: (*key).to_owned(),
            path: (*path).to_owned(),
            mode: *mode,
        };
        ObjectReference {
            kind,
            name: name.to_owned(),
            items: items.iter().map(item).collect(),
            optional: false,
        }
    }

    fn made(sources: Vec<FilesSource>) -> Result<Vec<String>, String> {
        let mut pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
        pod.labels = [("b", "2"), ("a", "\"1\"")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let facts = Facts {
            pod: &pod,
            pod_ips: &[],
            node_name: "node",
            host_ips: &[],
            allocatable: Allocatable::default(),
        };
        let files = Files {
            kind: FilesKind::Projected,
            default_mode: 0o644,
            sources,
        };
        let line = |(path, file): (String, PayloadFile)| {
            let text = String::from_utf8_lossy(&file.bytes).into_owned();
            format!("{path} {:o} {text}", file.mode)
        };
        let payload = payload(&files, facts, &objects())?;
        Ok(payload.into_iter().map(line).collect())
    }

    #[test]
    fn all_keys_are_files_unless_items_choose_some() {
        let whole = of(ObjectKind::ConfigMap, "web", &[]);
        let some = of(ObjectKind::Secret, "door", &[("key", "d/k", Some(0o400))]);
        let files = vec![FilesSource::Object(whole), FilesSource::Object(some)];
        let expected = ["colour 644 blue", "d/k 400 1234", "picture 644 \u{fffd}"];
        assert_eq!(made(files).unwrap(), expected);
    }

    #[test]
    fn what_is_missing_is_named_unless_it_is_optional() {
        let rows = [
            (
                of(ObjectKind::ConfigMap, "nowhere", &[]),
                "configmap \"nowhere\" not found",
            ),
            (
                of(ObjectKind::ConfigMap, "web", &[("size", "s", None)]),
                "configmap references non-existent config key: size",
            ),
            (
                of(ObjectKind::Secret, "door", &[("size", "s", None)]),
                "references non-existent secret key: size",
            ),
        ];
        for (mut one, message) in rows {
            let told = made(vec![FilesSource::Object(one.clone())]);
            assert_eq!(told.unwrap_err(), message);
            one.optional = true;
            let told = made(vec![FilesSource::Object(one)]);
            assert_eq!(told.unwrap(), Vec::<String>::new());
        }
    }

    #[test]
    fn labels_stand_sorted_and_quoted_in_one_file() {
        let items = vec![DownwardFile {
            path: "labels".to_owned(),
            mode: None,
            value: DownwardValue::Field("metadata.labels".to_owned()),
        }];
        let expected = ["labels 644 a=\"\\\"1\\\"\"\nb=\"2\""];
        assert_eq!(made(vec![FilesSource::Downward(items)]).unwrap(), expected);
    }
}
