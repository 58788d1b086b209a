//! The HTTP clients.
//!
//! Those without configuration are made when they are first needed and kept: a machine without CA
//! certificates can use plain registries, and one that never pulls loads no certificates. One for an
//! endpoint with certificates of its own is made for each pull, from the files as they are then.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Once, OnceLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Identity};

use super::error::RegistryError;
use super::hosts::{Endpoint, Tls};
use super::settings::RegistrySettings;

/// The HTTP clients.
#[derive(Debug, Default)]
pub(in crate::image) struct Clients {
    plain: OnceLock<Client>,
    tls: OnceLock<Client>,
}

impl Clients {
    /// The client for an endpoint.
    pub(super) fn for_endpoint(
        &self,
        settings: &RegistrySettings,
        endpoint: &Endpoint,
    ) -> Result<Client, RegistryError> {
        let is_plain = endpoint.base.starts_with("http://");
        let timeout = endpoint.dial_timeout;
        match (is_plain, timeout, endpoint.tls == Tls::default()) {
            (true, None, _) => self.plain(settings),
            (true, Some(timeout), _) => build(plain(timeout)),
            (false, None, true) => self.tls(settings),
            (false, ..) => with_tls(settings, endpoint),
        }
    }

    /// For plain HTTP: it trusts no certificate.
    fn plain(&self, settings: &RegistrySettings) -> Result<Client, RegistryError> {
        kept(&self.plain, || build(plain(settings.stall_timeout)))
    }

    /// For HTTPS, with the system's authorities and those of the settings.
    pub(super) fn tls(&self, settings: &RegistrySettings) -> Result<Client, RegistryError> {
        kept(&self.tls, || {
            let certificates = settings.certificates.iter();
            let certificates = certificates.map(|pem| Certificate::from_pem(pem));
            let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(tls)?;
            build(builder(settings.stall_timeout).tls_certs_merge(certificates))
        })
    }
}

fn kept(
    place: &OnceLock<Client>,
    make: impl FnOnce() -> Result<Client, RegistryError>,
) -> Result<Client, RegistryError> {
    if let Some(client) = place.get() {
        return Ok(client.clone());
    }
    let client = make()?;
    Ok(place.get_or_init(|| client).clone())
}

fn with_tls(settings: &RegistrySettings, endpoint: &Endpoint) -> Result<Client, RegistryError> {
    let mut authorities = Vec::new();
    for path in &endpoint.tls.authorities {
        let pem = read(path)?;
        authorities.extend(Certificate::from_pem_bundle(&pem).map_err(unusable(path))?);
    }
    for pem in &settings.certificates {
        authorities.push(Certificate::from_pem(pem).map_err(tls)?);
    }
    let identity = identity(&endpoint.tls)?;
    let timeout = endpoint.dial_timeout.unwrap_or(settings.stall_timeout);
    let builder = || {
        let builder = builder(timeout).tls_danger_accept_invalid_certs(endpoint.tls.skip_verify);
        match &identity {
            Some(identity) => builder.identity(identity.clone()),
            None => builder,
        }
    };
    let has_own = !authorities.is_empty();
    match build(builder().tls_certs_merge(authorities.clone())) {
        // A machine without authorities of its own: those of the configuration are enough.
        Err(RegistryError::Tls(_)) if has_own => build(builder().tls_certs_only(authorities)),
        built => built,
    }
}

fn identity(tls: &Tls) -> Result<Option<Identity>, RegistryError> {
    let Some(pair) = &tls.client else {
        return Ok(None);
    };
    let mut pem = read(&pair.certificate)?;
    if let Some(key) = &pair.key {
        pem.push(b'\n');
        pem.extend(read(key)?);
    }
    let identity = Identity::from_pem(&pem).map_err(unusable(&pair.certificate))?;
    Ok(Some(identity))
}

fn plain(connect_timeout: Duration) -> ClientBuilder {
    builder(connect_timeout).tls_certs_only([])
}

fn builder(connect_timeout: Duration) -> ClientBuilder {
    static PROVIDER: Once = Once::new();
    // An error says that the process has chosen its provider already, which is as good.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    Client::builder()
        .user_agent(concat!("podling/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_timeout)
        // Layers come side by side: each on a connection of its own.
        .http1_only()
        // Followed by the session, which knows what may be shown to another host.
        .redirect(Policy::none())
}

fn build(builder: ClientBuilder) -> Result<Client, RegistryError> {
    builder.build().map_err(tls)
}

fn tls(error: reqwest::Error) -> RegistryError {
    RegistryError::Tls(Arc::new(error))
}

fn read(path: &Path) -> Result<Vec<u8>, RegistryError> {
    fs::read(path).map_err(unusable(path))
}

fn unusable<E: std::error::Error + Send + Sync + 'static>(
    path: &Path,
) -> impl FnOnce(E) -> RegistryError {
    move |error| RegistryError::Certificate {
        path: path.to_owned(),
        source: Arc::new(error),
    }
}
