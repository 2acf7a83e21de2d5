//! A certificate with its chain and its key, as PEM; checked before it is used.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use thiserror::Error;

use super::Protocol;

/// Both configurations that are made of one pair.
#[derive(Debug)]
pub(super) struct Pair {
    http1: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
}

/// Why a pair cannot be used. Never repeats what a file holds: a key may stand in the wrong one.
#[derive(Debug, Error)]
pub(super) enum PairError {
    #[error("tls.crt is not a PEM certificate: {0}")]
    Certificate(&'static str),
    #[error("tls.key is not a PEM key (PKCS #8, PKCS #1 or SEC 1, without a password): {0}")]
    Key(&'static str),
    #[error("tls.crt and tls.key do not belong together, or cannot be used: {0}")]
    Pair(#[from] rustls::Error),
}

impl Pair {
    pub(super) fn parse(certificate: &[u8], key: &[u8]) -> Result<Self, PairError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| PairError::Certificate(what(&error)))?;
        if chain.is_empty() {
            return Err(PairError::Certificate(what(&pem::Error::NoItemsFound)));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| PairError::Key(what(&error)))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        let http2 = Arc::new(config.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { http1: Arc::new(config), http2 })
    }

    pub(super) fn config(&self, protocol: Protocol) -> Arc<ServerConfig> {
        match protocol {
            Protocol::Http1 => Arc::clone(&self.http1),
            Protocol::Http2 => Arc::clone(&self.http2),
        }
    }
}

/// The library's own messages quote the line at fault.
fn what(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end",
        pem::Error::IllegalSectionStart { .. } => "a section's first line is wrong",
        pem::Error::Base64Decode(_) => "a section is not Base64",
        pem::Error::NoItemsFound => "it has none",
        _ => "it cannot be read",
    }
}
