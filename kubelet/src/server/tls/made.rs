//! Certificates that nobody gave: made once, and kept.
//!
//! `kubelet.crt` and `kubelet.key` are the server's, self-signed, as upstream makes them. `client-ca.crt`
//! signs `client.crt`, the certificate of this machine's root, so that the server can be asked at all on
//! a node without a cluster. Keys are readable by their owner alone.

use std::path::{Path, PathBuf};

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::TlsError;
use crate::whole::write_private;

const YEARS: i64 = 10;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The server's certificate and key below `pki`.
pub(super) fn identity(pki: &Path, names: &[String]) -> Result<(PathBuf, PathBuf), TlsError> {
    let (certificate, key) = (pki.join("kubelet.crt"), pki.join("kubelet.key"));
    if !(certificate.exists() && key.exists()) {
        let make = || -> Result<(), Cause> {
            let pair = KeyPair::generate()?;
            let signed = server(names)?.self_signed(&pair)?;
            write_private(&key, pair.serialize_pem())?;
            Ok(write_private(&certificate, signed.pem())?)
        };
        make().map_err(failed(&certificate))?;
    }
    Ok((certificate, key))
}

/// The certificate of who signs clients' certificates, below `pki`.
pub(super) fn client_authority(pki: &Path) -> Result<PathBuf, TlsError> {
    let authority = pki.join("client-ca.crt");
    if !authority.exists() {
        make_client(pki, &authority).map_err(failed(&authority))?;
    }
    Ok(authority)
}

/// The authority is written last: where it is, the client's files are.
fn make_client(pki: &Path, authority: &Path) -> Result<(), Cause> {
    let (ca_pair, pair) = (KeyPair::generate()?, KeyPair::generate()?);
    let params = certificate_authority()?;
    let signed = params.self_signed(&ca_pair)?;
    write_private(&pki.join("client-ca.key"), ca_pair.serialize_pem())?;
    let issuer = Issuer::new(params, ca_pair);
    let client = client()?.signed_by(&pair, &issuer)?;
    write_private(&pki.join("client.key"), pair.serialize_pem())?;
    write_private(&pki.join("client.crt"), client.pem())?;
    Ok(write_private(authority, signed.pem())?)
}

fn server(names: &[String]) -> Result<CertificateParams, rcgen::Error> {
    let mut params = lasting(CertificateParams::new(names.to_vec())?);
    let name = names.first().map_or("podling", String::as_str);
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn certificate_authority() -> Result<CertificateParams, rcgen::Error> {
    let mut params = lasting(CertificateParams::new(Vec::new())?);
    params
        .distinguished_name
        .push(DnType::CommonName, "podling-client-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn client() -> Result<CertificateParams, rcgen::Error> {
    let mut params = lasting(CertificateParams::new(Vec::new())?);
    params
        .distinguished_name
        .push(DnType::CommonName, "podling-admin");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "system:masters");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

/// Valid from yesterday, for clocks that are a little off.
fn lasting(mut params: CertificateParams) -> CertificateParams {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let day = |date: jiff::civil::Date| {
        rcgen::date_time_ymd(
            date.year().into(),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    params.not_before = day(today.saturating_sub(1.day()));
    params.not_after = day(today.saturating_add(YEARS.years()));
    params
}

fn failed(file: &Path) -> impl Fn(Cause) -> TlsError {
    move |source| TlsError::Make {
        file: file.to_owned(),
        source,
    }
}
