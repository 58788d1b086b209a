//! Pushing to a registry that speaks the distribution API over plain HTTP, as tests run one.

use std::sync::Once;

use http::HeaderValue;
use oci_client::Client;
use oci_client::Reference;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use thiserror::Error;

use super::content::{Blob, Content};

/// An image could not be pushed.
#[derive(Debug, Error)]
pub enum PushError {
    /// The name means nothing.
    #[error("the name {name} is no image reference")]
    Name {
        /// As given.
        name: String,
        /// Why.
        source: oci_client::ParseError,
    },
    /// The HTTP client could not be made.
    #[error("set up the HTTP client")]
    Client(#[source] OciDistributionError),
    /// The registry did not take something.
    #[error("push {digest} to {reference}")]
    Refused {
        /// What.
        digest: String,
        /// Where to.
        reference: String,
        /// Why.
        source: OciDistributionError,
    },
}

/// Pushes `content` as `name` (`NAME[:TAG]`) to the registry at `registry` (`HOST:PORT`); answers
/// with the digest under which the registry now has it.
pub async fn push(registry: &str, name: &str, content: &Content) -> Result<String, PushError> {
    let client = plain_http_client()?;
    let name = format!("{registry}/{name}");
    let target: Reference = name.parse().map_err(|source| PushError::Name {
        name: name.clone(),
        source,
    })?;
    client
        .store_auth_if_needed(target.resolve_registry(), &RegistryAuth::Anonymous)
        .await;

    for blob in &content.blobs {
        let digest = blob.digest();
        let pushed = client.push_blob(&target, blob.bytes.clone(), &digest).await;
        pushed.map_err(|source| refused(blob, &target, source))?;
    }
    for manifest in &content.manifests {
        push_manifest(
            &client,
            &target.clone_with_digest(manifest.digest()),
            manifest,
        )
        .await?;
    }
    push_manifest(&client, &target, &content.root).await?;
    Ok(content.root.digest())
}

async fn push_manifest(client: &Client, to: &Reference, manifest: &Blob) -> Result<(), PushError> {
    let media_type =
        HeaderValue::from_str(&manifest.media_type).expect("media types are printable");
    client
        .push_manifest_raw(to, manifest.bytes.clone(), media_type)
        .await
        .map_err(|source| refused(manifest, to, source))?;
    Ok(())
}

fn refused(blob: &Blob, target: &Reference, source: OciDistributionError) -> PushError {
    PushError::Refused {
        digest: blob.digest(),
        reference: target.to_string(),
        source,
    }
}

/// The client refuses to be made without a TLS provider, although nothing here uses TLS.
fn plain_http_client() -> Result<Client, PushError> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // An error means that the process has one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let config = ClientConfig {
        protocol: ClientProtocol::Http,
        ..ClientConfig::default()
    };
    Client::try_from(config).map_err(PushError::Client)
}
