//! Whom pods trust, and certificates of their own: bundles of authorities, and the sources of projected
//! volumes that show them.

use std::sync::Arc;

use k8s_openapi::api::certificates::v1beta1::ClusterTrustBundle;
use k8s_openapi::api::core::v1 as core;

use crate::certificate::certificates_of;
use crate::model::{
    CertificatePaths, CertificateWish, FilesSource, Object, ObjectKey, ObjectKind, TrustBundle,
    TrustWish,
};
use crate::source::manifest::Invalid;
use crate::source::problem::Problems;

use super::files::{file_path, inner_path};
use super::persistent::selector;

/// Every kind of key that a pod may ask for.
const KEY_TYPES: &[&str] = &[
    "RSA3072",
    "RSA4096",
    "ECDSAP256",
    "ECDSAP384",
    "ECDSAP521",
    "ED25519",
];

/// The longest life that may be asked for: 91 days, and a day of signers of Kubernetes itself.
const MOST_SECONDS: i32 = 91 * 24 * 60 * 60;
const MOST_SECONDS_OF_KUBERNETES: i32 = 24 * 60 * 60;
const LEAST_SECONDS: i32 = 60 * 60;

/// The bundle, or all that is wrong with it.
pub(super) fn bundle(bundle: ClusterTrustBundle) -> Result<(ObjectKey, Object), Invalid> {
    let mut problems = Problems::default();
    let name = bundle.metadata.name.unwrap_or_default();
    let signer = bundle.spec.signer_name.unwrap_or_default();
    bundle_name(&name, &signer, &mut problems);
    let anchors = certificates_of(bundle.spec.trust_bundle.as_bytes());
    let anchors: Vec<_> = anchors.iter().map(|one| one.to_vec()).collect();
    if anchors.is_empty() {
        let message = "Invalid value: at least one trust anchor must be provided";
        problems.invalid("spec.trustBundle", message);
    }
    let kind = ObjectKind::ClusterTrustBundle;
    match problems.none() {
        Ok(()) => Ok((
            ObjectKey::new(kind, "", &name),
            Object::TrustBundle(Arc::new(TrustBundle {
                signer,
                labels: bundle.metadata.labels.unwrap_or_default(),
                anchors,
            })),
        )),
        Err(problems) => Err((format!("{} {name:?}", kind.as_str()), problems)),
    }
}

/// A bundle of `example.com/signer` is named `example.com:signer:…`; one of nobody has no colons.
fn bundle_name(name: &str, signer: &str, problems: &mut Problems) {
    let field = "metadata.name";
    let prefix = match signer {
        "" => String::new(),
        signer => format!("{}:", signer.replace('/', ":")),
    };
    match name.strip_prefix(&prefix) {
        Some("") => problems.required(field),
        Some(rest) => problems.dns_subdomain(field, rest),
        None => problems.invalid(
            field,
            format!(
                "Invalid value: {name:?}: ClusterTrustBundle for signerName {signer} must be named \
                 with prefix {prefix}"
            ),
        ),
    }
}

/// A source that shows authorities.
pub(super) fn anchors(
    path: &str,
    source: &core::ClusterTrustBundleProjection,
    problems: &mut Problems,
) -> Option<FilesSource> {
    let wish = match (&source.name, &source.signer_name) {
        (Some(_), Some(_)) => {
            let message = "Invalid value: only one of name and signerName may be used";
            problems.invalid(path, message);
            return None;
        }
        (None, None) => {
            let message = "Required value: either name or signerName must be specified";
            problems.invalid(path, message);
            return None;
        }
        (Some(name), None) => {
            if name.is_empty() {
                problems.required(format!("{path}.name"));
            }
            if source.label_selector.is_some() {
                let message = "Invalid value: labelSelector must be unset if name is specified";
                problems.invalid(format!("{path}.labelSelector"), message);
            }
            TrustWish::Named(name.clone())
        }
        (None, Some(signer)) => {
            signer_name(path, signer, problems);
            let labels = source.label_selector.clone();
            let field = format!("{path}.labelSelector");
            TrustWish::Signed {
                signer: signer.clone(),
                labels: labels.map(|labels| selector(&field, Some(labels), problems)),
            }
        }
    };
    Some(FilesSource::Trust {
        wish,
        optional: source.optional == Some(true),
        path: file_path(path, &source.path, problems),
    })
}

/// A source that shows a certificate of the pod's own: the place of this source says which.
pub(super) fn certificate(
    path: &str,
    source: &core::PodCertificateProjection,
    wish: CertificateWish,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> FilesSource {
    signer_name(path, &source.signer_name, problems);
    if !KEY_TYPES.contains(&source.key_type.as_str()) {
        problems.unsupported(format!("{path}.keyType"), &source.key_type, KEY_TYPES);
    }
    if let Some(seconds) = source.max_expiration_seconds {
        lifetime(path, seconds, &source.signer_name, problems);
    }
    let account = spec.service_account_name.as_deref().unwrap_or_default();
    if account.is_empty() {
        let message =
            "Forbidden: a static pod may not ask for a certificate: it has no ServiceAccount";
        problems.invalid(path, message);
    }
    let mut inner = |name: &str, file: &Option<String>| {
        let file = file.as_deref().filter(|file| !file.is_empty())?;
        Some(inner_path(&format!("{path}.{name}"), file, problems))
    };
    let paths = CertificatePaths {
        bundle: inner("credentialBundlePath", &source.credential_bundle_path),
        key: inner("keyPath", &source.key_path),
        chain: inner("certificateChainPath", &source.certificate_chain_path),
    };
    if paths == CertificatePaths::default() {
        let message = "Required value: specify at least one of credentialBundlePath, keyPath, and \
                       certificateChainPath";
        problems.invalid(path, message);
    }
    FilesSource::Certificate { wish, paths }
}

/// `example.com/signer`
fn signer_name(path: &str, signer: &str, problems: &mut Problems) {
    let field = format!("{path}.signerName");
    match signer.split_once('/') {
        _ if signer.is_empty() => problems.required(field),
        Some((domain, rest)) if !rest.is_empty() => problems.dns_subdomain(field, domain),
        _ => problems.invalid(
            field,
            format!("Invalid value: {signer:?}: must be a fully qualified domain and path of the form 'example.com/signer-name'"),
        ),
    }
}

fn lifetime(path: &str, seconds: i32, signer: &str, problems: &mut Problems) {
    let is_of_kubernetes = signer
        .split('/')
        .next()
        .is_some_and(|domain| domain == "kubernetes.io" || domain.ends_with(".kubernetes.io"));
    let most = match is_of_kubernetes {
        true => MOST_SECONDS_OF_KUBERNETES,
        false => MOST_SECONDS,
    };
    let bound = match seconds {
        seconds if seconds < LEAST_SECONDS => format!(">= {LEAST_SECONDS}"),
        seconds if seconds > most => format!("<= {most}"),
        _ => return,
    };
    problems.invalid(
        format!("{path}.maxExpirationSeconds"),
        format!("Invalid value: {seconds}: if provided, maxExpirationSeconds must be {bound}"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::decode::{Written, decode};

    /// The problems of a bundle in a manifest.
    fn problems(name: &str, signer: &str, text: &str) -> Vec<String> {
        let manifest = format!(
            "apiVersion: certificates.k8s.io/v1beta1\nkind: ClusterTrustBundle\n\
             metadata: {{ name: '{name}' }}\n\
             spec: {{ signerName: '{signer}', trustBundle: \"{text}\" }}\n"
        );
        let mut decoded = decode(&manifest).unwrap();
        let Some(Written::ClusterTrustBundle(written)) = decoded.pop().map(|one| one.written)
        else {
            panic!("it is a bundle");
        };
        match bundle(*written) {
            Ok((key, object)) => {
                assert_eq!(
                    key,
                    ObjectKey::new(ObjectKind::ClusterTrustBundle, "", name)
                );
                assert!(matches!(object, Object::TrustBundle(_)));
                Vec::new()
            }
            Err((_, problems)) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_bundle_is_named_after_its_signer_and_has_certificates() {
        let pem = r"-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";
        let none: [&str; 0] = [];
        assert_eq!(problems("own", "", pem), none);
        assert_eq!(problems("example.com:me:live", "example.com/me", pem), none);
        for (name, signer, text, expected) in [
            (
                "own",
                "example.com/me",
                pem,
                "must be named with prefix example.com:me:",
            ),
            ("a:b", "", pem, "metadata.name: Invalid value"),
            ("own", "", "words", "at least one trust anchor"),
        ] {
            let told = problems(name, signer, text);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains(expected), "{told:?}");
        }
    }

    #[test]
    fn what_no_signer_or_volume_would_take_is_told_of_a_certificate() {
        let spec = core::PodSpec {
            service_account_name: Some("robot".to_owned()),
            ..core::PodSpec::default()
        };
        let good = core::PodCertificateProjection {
            signer_name: "a.b/c".to_owned(),
            key_type: "ED25519".to_owned(),
            key_path: Some("./key.pem".to_owned()),
            ..core::PodCertificateProjection::default()
        };
        let read = |source: &core::PodCertificateProjection| {
            let wish = CertificateWish {
                volume: "v".to_owned(),
                source: 0,
            };
            let mut problems = Problems::default();
            let read = certificate("p", source, wish, &spec, &mut problems);
            let told = problems.0.iter().map(ToString::to_string);
            (read, told.collect::<Vec<_>>())
        };
        let (FilesSource::Certificate { paths, .. }, told) = read(&good) else {
            panic!("it is a certificate");
        };
        assert_eq!(paths.key.as_deref(), Some("key.pem"));
        assert!(told.is_empty(), "{told:?}");
        let mut other_key = good.clone();
        other_key.key_type = "DSA".to_owned();
        let mut long = good.clone();
        long.signer_name = "x.kubernetes.io/c".to_owned();
        long.max_expiration_seconds = Some(86_401);
        let mut nowhere = good.clone();
        nowhere.key_path = None;
        let mut outside = good;
        outside.key_path = Some("../key".to_owned());
        for (source, expected) in [
            (other_key, "p.keyType: Unsupported value"),
            (
                long,
                "p.maxExpirationSeconds: Invalid value: 86401: if provided, maxExpirationSeconds must be <= 86400",
            ),
            (nowhere, "p: Required value: specify at least one"),
            (outside, "p.keyPath: Invalid value"),
        ] {
            let (_, told) = read(&source);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].starts_with(expected), "{told:?}");
        }
    }
}
