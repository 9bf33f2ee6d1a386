//! Certificates for the test server: an authority of its own, and a server certificate that it signs.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

/// A fresh authority with one server certificate. Both live as long as the server does.
pub struct Authority {
    /// The authority's certificate in PEM: what a client has to trust.
    pub certificate_pem: String,
    /// TLS for the server side.
    pub server: Arc<ServerConfig>,
}

/// Makes an authority and a certificate for `names` (host names or addresses).
pub fn make(names: &[&str]) -> Result<Authority, String> {
    let failed = |what: &str, error: &dyn std::fmt::Display| format!("cannot make {what}: {error}");
    let mut params = CertificateParams::new(Vec::<String>::new()).map_err(|error| failed("the authority", &error))?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Vega test authority");
    let key = KeyPair::generate().map_err(|error| failed("the authority's key", &error))?;
    let issuer = CertifiedIssuer::self_signed(params, key).map_err(|error| failed("the authority", &error))?;

    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let params = CertificateParams::new(names).map_err(|error| failed("the server's certificate", &error))?;
    let key = KeyPair::generate().map_err(|error| failed("the server's key", &error))?;
    let certificate = params.signed_by(&key, &issuer).map_err(|error| failed("the server's certificate", &error))?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| failed("the server's key", &error))?;
    let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed("the server's TLS", &error))?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .map_err(|error| failed("the server's TLS", &error))?;
    Ok(Authority { certificate_pem: issuer.pem(), server: Arc::new(server) })
}
