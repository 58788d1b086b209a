//! Who signs certificates: as the controllers of a cluster do, or as a test wants it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, date_time_ymd,
};
use rustls::pki_types::CertificateSigningRequestDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::der::{self, Subject};
use super::store::{Key, Store};

pub(super) const REQUESTS: &str = "certificatesigningrequests.certificates.k8s.io";

/// What becomes of requests for certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    /// Each is approved, and a certificate issued that lives so long.
    Issues(Duration),
    /// Nobody looks at them.
    Holds,
    /// Each is denied.
    Denies,
    /// Each is approved, and cannot be signed.
    Fails,
}

/// The authority of a cluster.
pub(super) struct Authority {
    /// Its certificate.
    pub(super) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = params(&Subject {
            name: "kubernetes".to_owned(),
            groups: Vec::new(),
        });
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let signed = params.self_signed(&key).expect("it can be signed");
        Self {
            pem: signed.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// The digest of its public key, as clusters tell it to who joins.
    pub(super) fn pin(&self) -> String {
        let digest = Sha256::digest(self.issuer.key().subject_public_key_info());
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{digits}")
    }

    /// A certificate of the server itself, and its key.
    pub(super) fn server(&self) -> (String, String) {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params =
            CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])
                .expect("they are names");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let signed = params.signed_by(&key, &self.issuer);
        let signed = signed.expect("it can be signed");
        (signed.pem(), key.serialize_pem())
    }

    /// A client certificate that lives so long from now, with its key.
    pub(super) fn client(&self, subject: &Subject, ends: SystemTime) -> String {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = params(subject);
        params.not_after = date_time_ymd(1970, 1, 1) + since(ends);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let signed = params.signed_by(&key, &self.issuer);
        signed.expect("it can be signed").pem() + &key.serialize_pem()
    }

    /// A certificate of a pod that has shown that it has a key.
    pub(super) fn pod(&self, spec: &Value, begins: SystemTime, ends: SystemTime) -> Option<String> {
        let der = STANDARD.decode(spec["stubPKCS10Request"].as_str()?).ok()?;
        let asked = der::request(&der)?;
        let mut params = params(&Subject {
            name: spec["podName"].as_str()?.to_owned(),
            groups: Vec::new(),
        });
        params.not_before = date_time_ymd(1970, 1, 1) + since(begins);
        params.not_after = date_time_ymd(1970, 1, 1) + since(ends);
        Some(params.signed_by(&asked.key, &self.issuer).ok()?.pem())
    }

    fn sign(&self, spec: &Value, lifetime: Duration) -> Option<String> {
        let pem = STANDARD.decode(spec["request"].as_str()?).ok()?;
        let asked = CertificateSigningRequestDer::from_pem_slice(&pem).ok()?;
        let asked = der::request(&asked)?;
        let is_client = spec["signerName"] == "kubernetes.io/kube-apiserver-client-kubelet";
        let is_node = asked.subject.name.starts_with("system:node:")
            && asked.subject.groups == ["system:nodes"];
        // As the signers of a cluster: a client has no names, a server has some.
        if !is_node || is_client != asked.names.is_empty() {
            return None;
        }
        let mut params = params(&asked.subject);
        params.subject_alt_names = asked.names;
        params.not_before = date_time_ymd(1970, 1, 1) + since(SystemTime::now());
        params.not_after = date_time_ymd(1970, 1, 1) + since(SystemTime::now() + lifetime);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match is_client {
            true => ExtendedKeyUsagePurpose::ClientAuth,
            false => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        Some(params.signed_by(&asked.key, &self.issuer).ok()?.pem())
    }

    /// Looks at every request that waits.
    pub(super) fn attend(&self, store: &mut Store, signing: Signing) {
        let waiting: Vec<Value> = store
            .of(REQUESTS, "")
            .filter(|request| request["status"]["conditions"].is_null())
            .cloned()
            .collect();
        for mut request in waiting {
            let Some(status) = self.status(&request["spec"], signing) else {
                continue;
            };
            request["status"] = status;
            let name = request["metadata"]["name"].as_str().unwrap_or_default();
            let key = Key {
                resource: REQUESTS.to_owned(),
                namespace: String::new(),
                name: name.to_owned(),
            };
            store.put(key, request);
        }
    }

    fn status(&self, spec: &Value, signing: Signing) -> Option<Value> {
        let condition = |kind: &str| json!({ "type": kind, "status": "True", "reason": "Test", "message": "the test says so" });
        match signing {
            Signing::Holds => None,
            Signing::Denies => Some(json!({ "conditions": [condition("Denied")] })),
            Signing::Fails => {
                Some(json!({ "conditions": [condition("Approved"), condition("Failed")] }))
            }
            Signing::Issues(lifetime) => Some(match self.sign(spec, lifetime) {
                Some(pem) => json!({
                    "conditions": [condition("Approved")],
                    "certificate": STANDARD.encode(pem),
                }),
                None => json!({ "conditions": [condition("Approved"), condition("Failed")] }),
            }),
        }
    }
}

fn params(subject: &Subject) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for group in &subject.groups {
        params
            .distinguished_name
            .push(DnType::OrganizationName, group.as_str());
    }
    params
        .distinguished_name
        .push(DnType::CommonName, subject.name.as_str());
    params
}

/// What is to be added to the beginning of 1970.
fn since(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}
