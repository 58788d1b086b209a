//! What is asked to be in a certificate, and the request for it: pure.
#![deny(clippy::disallowed_methods)]

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData};
use serde_json::{Value, json};
use sha2::{Digest, Sha512_256};

use super::Leaf;

const GROUP: &str = "system:nodes";

/// Who signs, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signer {
    /// Certificates that nodes show to the API server.
    Client,
    /// Certificates that kubelets show to who asks them.
    Serving,
}

impl Signer {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "kubernetes.io/kube-apiserver-client-kubelet",
            Self::Serving => "kubernetes.io/kubelet-serving",
        }
    }

    fn usages(self) -> [&'static str; 2] {
        match self {
            Self::Client => ["digital signature", "client auth"],
            Self::Serving => ["digital signature", "server auth"],
        }
    }
}

/// What is asked to be in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Who shall sign it.
    pub(crate) signer: Signer,
    /// The node's name.
    pub(crate) node: String,
    /// Names that the node's server has, in order.
    pub(crate) names: Vec<String>,
    /// Addresses that it has, in order.
    pub(crate) addresses: Vec<IpAddr>,
}

impl Wish {
    /// A certificate that the node shows to the API server.
    pub(crate) fn client(node: &str) -> Self {
        Self {
            signer: Signer::Client,
            node: node.to_owned(),
            names: Vec::new(),
            addresses: Vec::new(),
        }
    }

    /// A certificate that the node's server shows. Without an address none is asked for, as upstream
    /// has it.
    pub(crate) fn serving(node: &str, names: &[String], addresses: &[IpAddr]) -> Option<Self> {
        let (mut names, mut addresses) = (names.to_vec(), addresses.to_vec());
        names.sort_unstable();
        names.dedup();
        addresses.sort_unstable_by_key(ToString::to_string);
        addresses.dedup();
        (!addresses.is_empty()).then(|| Self {
            signer: Signer::Serving,
            node: node.to_owned(),
            names,
            addresses,
        })
    }

    fn common_name(&self) -> String {
        format!("system:node:{}", self.node)
    }

    fn servers(&self) -> impl Iterator<Item = String> {
        let addresses = self.addresses.iter().map(ToString::to_string);
        self.names.iter().cloned().chain(addresses)
    }

    /// Whether a certificate says all that is asked for; it may say more.
    pub(crate) fn is_met_by(&self, leaf: &Leaf) -> bool {
        leaf.name == self.common_name()
            && leaf.groups.iter().any(|group| group == GROUP)
            && self.servers().all(|server| leaf.is_for(&server))
    }

    /// The name of the request that is made with a key: the same for the same key and wish, so that a
    /// kubelet that was killed finds its request again.
    pub(crate) fn request_name(&self, key: &KeyPair) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut words = vec![key.subject_public_key_info()];
        let mut add = |word: &str| words.push(word.as_bytes().to_vec());
        add(&self.common_name());
        add(GROUP);
        self.signer.usages().into_iter().for_each(&mut add);
        self.servers().for_each(|server| add(&server));
        let mut digest = Sha512_256::new();
        for word in words {
            digest.update(encode(&word));
            digest.update("|");
        }
        format!("node-csr-{}", encode(&digest.finalize()))
    }

    /// The request, as it is made at the API server.
    pub(crate) fn request(&self, key: &KeyPair) -> Result<Value, rcgen::Error> {
        let mut params = CertificateParams::new(self.servers().collect::<Vec<_>>())?;
        params.distinguished_name = DistinguishedName::new();
        for (kind, text) in [
            (DnType::OrganizationName, GROUP.to_owned()),
            (DnType::CommonName, self.common_name()),
        ] {
            params.distinguished_name.push(kind, text);
        }
        let pem = params.serialize_request(key)?.pem()?;
        Ok(json!({
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": { "name": self.request_name(key) },
            "spec": {
                "request": STANDARD.encode(pem),
                "signerName": self.signer.name(),
                "usages": self.signer.usages(),
            },
        }))
    }

    /// Whether a request that has the same name asks for this.
    pub(crate) fn is_asked_by(&self, request: &Value) -> bool {
        request["spec"]["signerName"] == self.signer.name()
            && request["spec"]["usages"] == json!(self.signer.usages())
    }
}
