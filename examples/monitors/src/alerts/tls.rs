//! Which receivers are trusted: those whose certificate one of the system's authorities, or of a file's, has signed.

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::Failure;

/// With the certificates of this file; with the system's if there is none.
pub fn config(ca_file: Option<&Path>) -> Result<TlsConfig, Failure> {
    let roots = ca_file.map_or_else(|| Ok(system_roots()), roots_in)?;
    if roots.is_empty() {
        return Err(match ca_file {
            None => "this system has no certificates of authorities: install them, or set --alert-ca".into(),
            Some(file) => format!("--alert-ca {file:?} has no certificate").into(),
        });
    }
    Ok(trusting(roots))
}

/// Trusts nobody, for what asks at `http://` alone: an answer may send it on to `https://`.
pub fn none() -> TlsConfig {
    trusting(Vec::new())
}

fn trusting(roots: Vec<Certificate<'static>>) -> TlsConfig {
    let builder = TlsConfig::builder().root_certs(RootCerts::from(roots));
    builder.unversioned_rustls_crypto_provider(Arc::new(default_provider())).build()
}

/// Those that can be read: on many systems one or another is broken, and no receiver depends on it.
fn system_roots() -> Vec<Certificate<'static>> {
    let certificates = rustls_native_certs::load_native_certs().certs;
    certificates.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
}

fn roots_in(file: &Path) -> Result<Vec<Certificate<'static>>, Failure> {
    let explain = |error: &dyn Display| format!("--alert-ca {file:?}: {error}");
    let text = fs::read(file).map_err(|error| explain(&error))?;
    let mut roots = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| explain(&error))? {
            roots.push(certificate);
        }
    }
    Ok(roots)
}
