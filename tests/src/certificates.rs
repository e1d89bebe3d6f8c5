//! Certificates of the tests' own: authorities, and what they sign, good or wrong in one way.

mod wish;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use self::wish::{VALIDITY, distinguished, key};
use crate::tools::{run_within, tool};

pub use self::wish::{DAY, Kind, Validity, Wish};

/// Who signs certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// What stands between this authority and one that is trusted, this authority first; empty for a root.
    between: Vec<String>,
}

/// A certificate with its chain and its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// PEM, the leaf first, without the root.
    pub chain: String,
    /// PEM, PKCS #8.
    pub key: String,
    serial: Vec<u8>,
}

/// Where the files of a certificate are.
#[derive(Clone, Debug)]
pub struct Files {
    /// The chain.
    pub certificate: PathBuf,
    /// The key; readable by its owner alone.
    pub key: PathBuf,
    /// Chain and key in one file, as HAProxy wants it; readable by its owner alone.
    pub both: PathBuf,
}

impl Authority {
    /// A root.
    pub fn new(name: &str) -> Authority {
        let issuer = CertifiedIssuer::self_signed(authority(name), key(Kind::Ecdsa));
        Authority { issuer: issuer.expect("a root signs itself"), between: Vec::new() }
    }

    /// An authority below this one.
    pub fn intermediate(&self, name: &str) -> Authority {
        let issuer = CertifiedIssuer::signed_by(authority(name), key(Kind::Ecdsa), &self.issuer);
        let issuer = issuer.expect("an authority signs");
        let between = [vec![issuer.pem()], self.between.clone()].concat();
        Authority { issuer, between }
    }

    /// Signs what is wanted.
    pub fn sign(&self, wish: &Wish) -> Certificate {
        let key = key(wish.kind);
        let (params, serial) = wish.params();
        let leaf = params.signed_by(&key, &self.issuer).expect("an authority signs");
        Certificate { chain: leaf.pem() + &self.between.concat(), key: key.serialize_pem(), serial }
    }

    /// A server's certificate for these names.
    pub fn server(&self, names: &[&str]) -> Certificate {
        self.sign(&Wish::new(names))
    }

    /// The certificate of this authority itself, as PEM: whom others trust.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The certificate of this authority itself.
    pub fn der(&self) -> &CertificateDer<'static> {
        self.issuer.der()
    }

    /// Writes its certificate to `NAME.pem` in a folder.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let file = folder.join(format!("{name}.pem"));
        fs::write(&file, self.pem()).unwrap();
        file
    }

    /// The list of what it has revoked, as PEM: these certificates. Valid for a week.
    pub fn revocations(&self, revoked: &[&Certificate]) -> String {
        let now = SystemTime::now();
        let revoked_cert = |one: &&Certificate| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&one.serial),
            revocation_time: (now - DAY).into(),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: (now - DAY).into(),
            next_update: (now + 7 * DAY).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(revoked_cert).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).and_then(|list| list.pem()).expect("an authority signs its list")
    }

    /// The store that trusts this authority alone.
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.der().clone()).expect("a certificate of ours is one");
        roots
    }
}

impl Certificate {
    /// Chain and key in one text.
    pub fn both(&self) -> String {
        format!("{}{}", self.chain, self.key)
    }

    /// The chain, the leaf first.
    pub fn chain_der(&self) -> Vec<CertificateDer<'static>> {
        let all = CertificateDer::pem_slice_iter(self.chain.as_bytes());
        all.collect::<Result<_, _>>().expect("a chain of ours is PEM")
    }

    /// The leaf.
    pub fn leaf(&self) -> CertificateDer<'static> {
        self.chain_der().remove(0)
    }

    /// The key.
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key of ours is PEM")
    }

    /// Its key as a configuration pins it, in the words of `openssl`.
    pub fn pin(&self) -> String {
        let openssl = |arguments: &[&str], input: &[u8]| {
            let mut command = Command::new(tool("openssl"));
            command.args(arguments);
            run_within(Duration::from_secs(20), command, input).stdout
        };
        let key = openssl(&["pkey", "-pubout", "-outform", "DER"], self.key.as_bytes());
        let hash = openssl(&["dgst", "-sha256", "-binary"], &key);
        let text = String::from_utf8(openssl(&["base64", "-A"], &hash)).expect("base64 is ASCII");
        format!("sha256/{text}")
    }

    /// Writes `NAME.crt`, `NAME.key` and `NAME.both.pem` into a folder, over what is there.
    pub fn write(&self, folder: &Path, name: &str) -> Files {
        let file = |ending: &str, text: &str, mode: u32| {
            let file = folder.join(format!("{name}.{ending}"));
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            file
        };
        Files {
            certificate: file("crt", &self.chain, 0o644),
            key: file("key", &self.key, 0o600),
            both: file("both.pem", &self.both(), 0o600),
        }
    }
}

/// The parameters of an authority.
fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished(&[(DnType::CommonName, name.to_owned())]);
    let now = SystemTime::now();
    (params.not_before, params.not_after) = ((now - 2 * VALIDITY).into(), (now + 2 * VALIDITY).into());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `openssl verify` says about a certificate.
    fn verify(root: &Authority, certificate: &Certificate, arguments: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let files = certificate.write(folder.path(), "leaf");
        let mut command = Command::new(tool("openssl"));
        command.arg("verify").arg("-CAfile").arg(root.write(folder.path(), "root"));
        command.arg("-untrusted").arg(&files.certificate).args(arguments).arg(&files.certificate);
        let output = run_within(Duration::from_secs(20), command, "");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    #[test]
    fn a_good_certificate_is_good_and_each_bad_one_is_bad_in_its_way() {
        let root = Authority::new("root");
        let below = root.intermediate("below").intermediate("below that");
        let wish = Wish::new(&["a.example", "*.b.example", "127.0.0.1"]);
        let verdict =
            |certificate: &Certificate| verify(&root, certificate, &["-verify_hostname", "x.b.example"]);
        assert!(verdict(&root.sign(&wish)).ends_with(": OK\n"));
        assert!(verdict(&below.sign(&wish.clone().kind(Kind::Rsa))).ends_with(": OK\n"));
        assert!(verdict(&root.server(&["a.example"])).contains("hostname mismatch"));
        assert!(verdict(&wish.self_signed()).contains("self-signed certificate"));
        assert!(verdict(&Authority::new("other").sign(&wish)).contains("unable to get local issuer"));
        let valid = |validity| verdict(&root.sign(&wish.clone().validity(validity)));
        assert!(valid(Validity::Expired).contains("certificate has expired"));
        assert!(valid(Validity::NotYet).contains("certificate is not yet valid"));
        assert!(valid(Validity::For(DAY)).ends_with(": OK\n"));
    }

    #[test]
    fn a_revoked_certificate_is_on_the_list_and_no_other() {
        let root = Authority::new("root");
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list.crl");
        let wish = Wish::client("somebody").uri("spiffe://example/somebody").name("somebody.example");
        let [bad, good] = [root.sign(&wish), root.sign(&wish)];
        fs::write(&list, root.revocations(&[&bad])).unwrap();
        let arguments = ["-crl_check", "-purpose", "sslclient", "-CRLfile", list.to_str().unwrap()];
        assert!(verify(&root, &bad, &arguments).contains("certificate revoked"));
        assert!(verify(&root, &good, &arguments).ends_with(": OK\n"));
    }
}
