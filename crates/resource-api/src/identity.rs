//! What the server is known by: a certificate authority of its own, a certificate for this machine's loopback names,
//! and the token that it asks for. Made once per state folder, so that a kubeconfig outlives the daemon.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::Error;

/// Names in the server's certificate.
const NAMES: &[&str] = &["127.0.0.1", "localhost", "::1"];
/// What is made last: while it is missing, everything is made anew.
const TOKEN: &str = "token";

/// Certificates and token.
pub(crate) struct Identity {
    /// The authority's certificate, as PEM.
    pub(crate) authority: String,
    /// What clients say to be let in.
    pub(crate) token: String,
    /// The server's side of TLS.
    pub(crate) tls: Arc<rustls::ServerConfig>,
}

impl Identity {
    /// Reads the identity of a folder, or makes it there.
    ///
    /// # Errors
    ///
    /// [`Error::Identity`] when a file cannot be read or written, or holds something else.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        let failed = |what: &str| Error::Identity {
            folder: folder.to_owned(),
            why: what.to_owned(),
        };
        if !folder.join(TOKEN).exists() {
            make(folder).map_err(|error| failed(&error))?;
        }
        let read = |name: &str| {
            fs::read_to_string(folder.join(name)).map_err(|error| failed(&format!("{name}: {error}")))
        };
        let authority = read("ca.crt")?;
        let token = read(TOKEN)?.trim().to_owned();
        let certificate = CertificateDer::from_pem_slice(read("server.crt")?.as_bytes())
            .map_err(|error| failed(&format!("server.crt: {error}")))?;
        let key = PrivateKeyDer::from_pem_slice(read("server.key")?.as_bytes())
            .map_err(|error| failed(&format!("server.key: {error}")))?;
        // Named, because a process may have linked another provider too.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map_err(|error| failed(&error.to_string()))?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            authority,
            token,
            tls: Arc::new(tls),
        })
    }
}

/// Makes every file; the token comes last.
fn make(folder: &Path) -> Result<(), String> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| error.to_string())?;
    let authority_key = KeyPair::generate().map_err(|error| error.to_string())?;
    let mut authority = CertificateParams::new(Vec::new()).map_err(|error| error.to_string())?;
    authority
        .distinguished_name
        .push(DnType::CommonName, "basecamp resources CA");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_certificate = authority
        .self_signed(&authority_key)
        .map_err(|error| error.to_string())?;
    let issuer = Issuer::from_params(&authority, &authority_key);

    let server_key = KeyPair::generate().map_err(|error| error.to_string())?;
    let names: Vec<String> = NAMES.iter().map(|&name| name.to_owned()).collect();
    let mut server = CertificateParams::new(names).map_err(|error| error.to_string())?;
    server
        .distinguished_name
        .push(DnType::CommonName, "basecamp resources");
    // Python 3.13 takes no certificate that does not name its issuer's key.
    server.use_authority_key_identifier_extension = true;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server_certificate = server
        .signed_by(&server_key, &issuer)
        .map_err(|error| error.to_string())?;

    // Two random UUIDs hold 244 bits of the system's randomness.
    let token = format!(
        "{}{}",
        uuid::Uuid::new_v4().simple(),
        uuid::Uuid::new_v4().simple()
    );
    for (name, text) in [
        ("ca.crt", authority_certificate.pem()),
        ("server.crt", server_certificate.pem()),
        ("server.key", server_key.serialize_pem()),
        (TOKEN, token),
    ] {
        write_secret(&folder.join(name), &text).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

/// Writes a file that its owner alone may read, whole or not at all.
pub(crate) fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new: PathBuf = path.with_file_name(name);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}
