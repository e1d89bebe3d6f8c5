//! Certificates of the tests' own, in folders of their own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, SerialNumber, date_time_ymd,
};
use tempfile::TempDir;

/// When tests take place: every certificate is good from 2024 to 2028, unless it says otherwise.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_366_400)
}

/// A certificate and its key, both PEM.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// Who signs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Test CA");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for these names, good until this day of 2028 at the latest.
    pub(crate) fn sign(&self, names: &[&str]) -> Made {
        self.sign_until(names, (2028, 1, 1))
    }

    pub(crate) fn sign_until(&self, names: &[&str], until: (i32, u8, u8)) -> Made {
        self.sign_within(names, (2024, 1, 1), until)
    }

    pub(crate) fn sign_within(&self, names: &[&str], from: (i32, u8, u8), until: (i32, u8, u8)) -> Made {
        self.sign_with(names, |params| {
            params.not_before = date_time_ymd(from.0, from.1, from.2);
            params.not_after = date_time_ymd(until.0, until.1, until.2);
        })
    }

    /// One that is good from 2024 to 2028, unless the change is about that.
    pub(crate) fn sign_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Made {
        self.certify(&KeyPair::generate().unwrap(), names, change)
    }

    /// One that was over by 2021, for a key that has another one.
    pub(crate) fn sign_old(&self, names: &[&str], made: &Made) -> Made {
        self.certify(&KeyPair::from_pem(&made.key).unwrap(), names, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }

    fn certify(&self, key: &KeyPair, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Made {
        let mut params = params(names);
        params.not_before = date_time_ymd(2024, 1, 1);
        params.not_after = date_time_ymd(2028, 1, 1);
        change(&mut params);
        let certificate = params.signed_by(key, &self.issuer).unwrap().pem();
        Made { certificate, key: key.serialize_pem() }
    }

    /// An empty list of what was revoked.
    pub(crate) fn revocation_list(&self) -> (String, Vec<u8>) {
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2028, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).unwrap();
        (list.pem().unwrap(), list.der().to_vec())
    }
}

/// A certificate that signed itself.
pub(crate) fn self_signed(names: &[&str]) -> Made {
    let key = KeyPair::generate().unwrap();
    let mut params = params(names);
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2028, 1, 1);
    Made { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "a test");
    params
}

/// A folder that goes with the test.
pub(crate) struct Folder(pub(crate) TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file that its owner alone may read; folders are made on the way.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Writes `NAME.pem` and `NAME.key`.
    pub(crate) fn pair(&self, name: &str, made: &Made) {
        self.write(&format!("{name}.pem"), &made.certificate);
        self.write(&format!("{name}.key"), &made.key);
    }

    /// A link, in place of what there is.
    pub(crate) fn link(&self, target: impl AsRef<Path>, name: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        symlink(target, path).unwrap();
    }
}
