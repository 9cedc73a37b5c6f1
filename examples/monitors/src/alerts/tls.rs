//! Trusted certificate authorities: the system's, or those in a file.

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use lettre::transport::smtp::client::{self as mail, CertificateStore, TlsParameters};
use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::Failure;

/// The trusted authorities. By default, none.
#[derive(Clone, Default)]
pub struct Authorities(Vec<Certificate<'static>>);

impl Authorities {
    /// The authorities in the file that the setting names; without a file, the system's.
    pub fn load(setting: &str, file: Option<&Path>) -> Result<Self, Failure> {
        let roots = file.map_or_else(|| Ok(system_roots()), |file| roots_in(setting, file))?;
        if roots.is_empty() {
            return Err(match file {
                None => format!("this system has no CA certificates: install them, or set {setting}"),
                Some(file) => format!("{setting} {file:?} has no certificate"),
            }
            .into());
        }
        Ok(Self(roots))
    }

    /// The configuration for an HTTP client.
    pub fn for_http(self) -> TlsConfig {
        let builder = TlsConfig::builder().root_certs(RootCerts::from(self.0));
        builder.unversioned_rustls_crypto_provider(Arc::new(default_provider())).build()
    }

    /// The configuration for a client that sends mail through this host.
    pub fn for_mail(&self, host: &str) -> Result<TlsParameters, Failure> {
        let mut builder = TlsParameters::builder(host.to_owned()).certificate_store(CertificateStore::None);
        for root in &self.0 {
            builder = builder.add_root_certificate(mail::Certificate::from_der(root.der().to_vec())?);
        }
        Ok(builder.build()?)
    }

    /// The configuration for any other client.
    pub fn for_streams(&self) -> Result<Arc<ClientConfig>, Failure> {
        let mut roots = RootCertStore::empty();
        // Certificates that rustls cannot parse are skipped.
        roots.add_parsable_certificates(self.0.iter().map(|certificate| certificate.der().to_vec().into()));
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions()?.with_root_certificates(roots);
        Ok(Arc::new(config.with_no_client_auth()))
    }
}

/// Unreadable certificates are skipped: many systems have some.
fn system_roots() -> Vec<Certificate<'static>> {
    let certificates = rustls_native_certs::load_native_certs().certs.into_iter();
    let readable = certificates.filter(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
    readable.map(|certificate| Certificate::from_der(&certificate).to_owned()).collect()
}

fn roots_in(setting: &str, file: &Path) -> Result<Vec<Certificate<'static>>, Failure> {
    let explain = |error: &dyn Display| format!("{setting} {file:?}: {error}");
    let text = fs::read(file).map_err(|error| explain(&error))?;
    let mut roots = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| explain(&error))? {
            roots.push(certificate);
        }
    }
    Ok(roots)
}
