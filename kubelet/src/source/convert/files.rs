//! Volumes of files that the kubelet writes: configMap, secret, downwardAPI and projected.

use k8s_openapi::api::core::v1 as core;

use crate::model::{
    CertificateWish, DownwardFile, DownwardValue, Files, FilesKind, FilesSource, KeyToPath,
    ObjectKind, ObjectReference, TokenRequest,
};
use crate::source::problem::Problems;

use super::environment::{is_subscripted, object_name, resource_field};
use super::trust;
use super::volume::has_dots;

/// Fields of a pod that a file may show.
const FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];

/// The volume as files, if it is one of those.
pub(super) fn files(
    path: &str,
    volume: &core::Volume,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> Option<Files> {
    if let Some(map) = &volume.config_map {
        let path = format!("{path}.configMap");
        let of = reference(ObjectKind::ConfigMap, &map.name, map.optional);
        let source = object(&path, "name", of, map.items.as_deref(), problems);
        let mode = default_mode(&path, map.default_mode, problems);
        return Some(one(FilesKind::ConfigMap, mode, source));
    }
    if let Some(secret) = &volume.secret {
        let path = format!("{path}.secret");
        let name = secret.secret_name.as_deref().unwrap_or_default();
        let of = reference(ObjectKind::Secret, name, secret.optional);
        let source = object(&path, "secretName", of, secret.items.as_deref(), problems);
        let mode = default_mode(&path, secret.default_mode, problems);
        return Some(one(FilesKind::Secret, mode, source));
    }
    if let Some(downward) = &volume.downward_api {
        let path = format!("{path}.downwardAPI");
        let source = self::downward(&path, downward.items.as_deref(), spec, problems);
        let mode = default_mode(&path, downward.default_mode, problems);
        return Some(one(FilesKind::DownwardApi, mode, source));
    }
    let projected = volume.projected.as_ref()?;
    let path = format!("{path}.projected");
    let sources = projected.sources.iter().flatten().enumerate();
    Some(Files {
        kind: FilesKind::Projected,
        default_mode: default_mode(&path, projected.default_mode, problems),
        sources: sources
            .filter_map(|(index, source)| {
                let wish = CertificateWish {
                    volume: volume.name.clone(),
                    source: index,
                };
                let path = format!("{path}.sources[{index}]");
                projection(&path, source, wish, spec, problems)
            })
            .collect(),
    })
}

fn one(kind: FilesKind, default_mode: u32, source: FilesSource) -> Files {
    Files {
        kind,
        default_mode,
        sources: vec![source],
    }
}

fn projection(
    path: &str,
    source: &core::VolumeProjection,
    wish: CertificateWish,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> Option<FilesSource> {
    if let Some(bundle) = &source.cluster_trust_bundle {
        let path = format!("{path}.clusterTrustBundle");
        return trust::anchors(&path, bundle, problems);
    }
    if let Some(certificate) = &source.pod_certificate {
        let path = format!("{path}.podCertificate");
        return Some(trust::certificate(&path, certificate, wish, spec, problems));
    }
    if let Some(token) = &source.service_account_token {
        let path = format!("{path}.serviceAccountToken");
        return Some(self::token(&path, token, spec, problems));
    }
    if let Some(map) = &source.config_map {
        let path = format!("{path}.configMap");
        let of = reference(ObjectKind::ConfigMap, &map.name, map.optional);
        return Some(object(&path, "name", of, map.items.as_deref(), problems));
    }
    if let Some(secret) = &source.secret {
        let path = format!("{path}.secret");
        let of = reference(ObjectKind::Secret, &secret.name, secret.optional);
        return Some(object(&path, "name", of, secret.items.as_deref(), problems));
    }
    if let Some(downward) = &source.downward_api {
        let path = format!("{path}.downwardAPI");
        return Some(self::downward(
            &path,
            downward.items.as_deref(),
            spec,
            problems,
        ));
    }
    problems.required(path);
    None
}

fn token(
    path: &str,
    token: &core::ServiceAccountTokenProjection,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> FilesSource {
    let seconds = token.expiration_seconds.unwrap_or(3600);
    let seconds = u64::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds >= 600);
    if seconds.is_none() {
        let message = "Invalid value: may not specify a duration less than 10 minutes";
        problems.invalid(format!("{path}.expirationSeconds"), message);
    }
    let account = spec.service_account_name.clone().unwrap_or_default();
    if account.is_empty() {
        let message = "Forbidden: a static pod may not refer to a ServiceAccount";
        problems.invalid(path, message);
    }
    FilesSource::Token {
        request: TokenRequest {
            account,
            audience: token.audience.clone().unwrap_or_default(),
            seconds: seconds.unwrap_or(3600),
        },
        path: file_path(path, &token.path, problems),
    }
}

/// The whole object.
fn reference(kind: ObjectKind, name: &str, optional: Option<bool>) -> ObjectReference {
    ObjectReference {
        kind,
        name: name.to_owned(),
        items: Vec::new(),
        optional: optional == Some(true),
    }
}

fn object(
    path: &str,
    name_field: &str,
    of: ObjectReference,
    items: Option<&[core::KeyToPath]>,
    problems: &mut Problems,
) -> FilesSource {
    object_name(&format!("{path}.{name_field}"), &of.name, problems);
    let items = items.unwrap_or_default().iter().enumerate();
    FilesSource::Object(ObjectReference {
        items: items
            .map(|(index, item)| {
                let path = format!("{path}.items[{index}]");
                if item.key.is_empty() {
                    problems.required(format!("{path}.key"));
                }
                KeyToPath {
                    key: item.key.clone(),
                    path: file_path(&path, &item.path, problems),
                    mode: mode(&format!("{path}.mode"), item.mode, problems),
                }
            })
            .collect(),
        ..of
    })
}

fn downward(
    path: &str,
    items: Option<&[core::DownwardAPIVolumeFile]>,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> FilesSource {
    let items = items.unwrap_or_default().iter().enumerate();
    FilesSource::Downward(
        items
            .filter_map(|(index, item)| {
                let path = format!("{path}.items[{index}]");
                Some(DownwardFile {
                    path: file_path(&path, &item.path, problems),
                    mode: mode(&format!("{path}.mode"), item.mode, problems),
                    value: downward_value(&path, item, spec, problems)?,
                })
            })
            .collect(),
    )
}

fn downward_value(
    path: &str,
    item: &core::DownwardAPIVolumeFile,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> Option<DownwardValue> {
    match (&item.field_ref, &item.resource_field_ref) {
        (Some(field), None) => {
            let field_path = field.field_path.as_str();
            if !is_subscripted(field_path) && !FIELDS.contains(&field_path) {
                let name = format!("{path}.fieldRef.fieldPath");
                problems.unsupported(name, field_path, FIELDS);
            }
            Some(DownwardValue::Field(field_path.to_owned()))
        }
        (None, Some(resource)) => {
            let path = format!("{path}.resourceFieldRef");
            let field = resource_field(&path, resource, None, spec, problems);
            field.map(DownwardValue::Resource)
        }
        (None, None) => {
            let message = "Required value: one of fieldRef and resourceFieldRef is required";
            problems.invalid(path, message);
            None
        }
        (Some(_), Some(_)) => {
            let message =
                "Invalid value: fieldRef and resourceFieldRef can not be specified simultaneously";
            problems.invalid(path, message);
            None
        }
    }
}

/// A file inside the volume, without what says nothing.
pub(super) fn file_path(path: &str, file: &str, problems: &mut Problems) -> String {
    inner_path(&format!("{path}.path"), file, problems)
}

/// The same, in a field of this name.
pub(super) fn inner_path(field: &str, file: &str, problems: &mut Problems) -> String {
    if file.is_empty() {
        problems.required(field);
    } else if file.starts_with('/') {
        problems.invalid(field, "Invalid value: must be a relative path");
    } else if has_dots(file) || file.starts_with("..") {
        let message = "Invalid value: must not contain '..' and must not start with '..'";
        problems.invalid(field, message);
    }
    let parts = file
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}

fn default_mode(path: &str, bits: Option<i32>, problems: &mut Problems) -> u32 {
    mode(&format!("{path}.defaultMode"), bits, problems).unwrap_or(0o644)
}

fn mode(field: &str, bits: Option<i32>, problems: &mut Problems) -> Option<u32> {
    let bits = bits?;
    let mode = u32::try_from(bits).ok().filter(|mode| *mode <= 0o777);
    if mode.is_none() {
        let message = format!(
            "Invalid value: {bits}: must be a number between 0 and 0777 (octal), both inclusive"
        );
        problems.invalid(field, message);
    }
    mode
}
