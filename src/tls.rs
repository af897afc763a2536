//! What a client needs for TLS and for logging in: certificates, keys and secrets, read from their files anew each time, so
//! that a renewed one counts from the next connection on. Everything here blocks on those files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::config::settings::TlsSettings;

/// Why the files could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A file could not be read.
    #[error("cannot read {what} {}: {source}", path.display())]
    Read {
        /// What the file is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds nothing of the kind.
    #[error("{} holds no usable {what}: {source}", path.display())]
    Pem {
        /// What was looked for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// Certificates and key do not go together.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl FileError {
    /// What an operator can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Read { .. } => "check the path in the configuration and that the daemon may read the file",
            Self::Pem { .. } => "the file must be PEM, as openssl writes it",
            Self::Tls(_) => "check that certificate and key belong together and are not outdated",
        }
    }
}

/// The client's side of TLS: whom it trusts and how it shows who it is.
///
/// # Errors
/// A file that cannot be read or holds nothing usable, or a key that does not belong to its certificate.
pub fn client(settings: &TlsSettings) -> Result<ClientConfig, FileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&settings.ca_file, "certificate authority")? {
        roots.add(certificate)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    match &settings.client {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => {
            let chain = certificates(chain, "client certificate")?;
            let key = PrivateKeyDer::from_pem_slice(&read(key, "client key")?).map_err(|source| FileError::Pem {
                what: "client key",
                path: key.clone(),
                source,
            })?;
            Ok(builder.with_client_auth_cert(chain, key)?)
        }
    }
}

/// A password or token without the line end that an editor leaves. `what` names the file in messages.
///
/// # Errors
/// The file cannot be read.
pub fn secret(path: &Path, what: &'static str) -> Result<String, FileError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| FileError::Read { what, path: path.to_owned(), source })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let bytes = read(path, what)?;
    let broken = |source| FileError::Pem { what, path: path.to_owned(), source };
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let all = all.map_err(broken)?;
    if all.is_empty() {
        return Err(broken(rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(all)
}

fn read(path: &Path, what: &'static str) -> Result<Vec<u8>, FileError> {
    std::fs::read(path).map_err(|source| FileError::Read { what, path: path.to_owned(), source })
}
