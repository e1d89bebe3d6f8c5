//! How clients' certificates are judged.

use std::sync::Arc;

use rustls::pki_types::CertificateRevocationListDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};

use super::{ClientAuth, ClientCertificates, ServerError};
use crate::client::store;
use crate::crypto::provider;

pub(super) fn verifier(client: &ClientAuth) -> Result<Arc<dyn ClientCertVerifier>, ServerError> {
    let roots = store(&client.ca).map_err(ServerError::BadCa)?;
    let lists = client.crls.iter().cloned().map(CertificateRevocationListDer::from);
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider().clone())
        .with_crls(lists)
        .allow_unknown_revocation_status();
    builder = match client.certificates {
        ClientCertificates::Required => builder,
        ClientCertificates::Optional => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| match error {
        VerifierBuilderError::InvalidCrl(error) => ServerError::BadCrl(format!("{error:?}")),
        error => ServerError::BadCa(error.to_string()),
    })
}
