//! Certificates for tests, made on the spot.

use std::sync::Arc;

use evenkeel_tls::{
    CertificateDer, Client, ClientAuth, ClientCertificates, ClientParts, Dial, Identity, Policy, Roots,
    Server, ServerName, ServerParts, UnknownName, Verify,
};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519,
    PKCS_RSA_SHA256, RevokedCertParams, SerialNumber, SignatureAlgorithm, date_time_ymd,
};

pub(crate) const ECDSA: &SignatureAlgorithm = &PKCS_ECDSA_P256_SHA256;
pub(crate) const ED25519: &SignatureAlgorithm = &PKCS_ED25519;
pub(crate) const RSA: &SignatureAlgorithm = &PKCS_RSA_SHA256;

/// A CA.
pub(crate) struct Authority {
    pub(crate) params: CertificateParams,
    pub(crate) key: KeyPair,
    pub(crate) certificate: Certificate,
}

/// A certificate with its key.
pub(crate) struct Issued {
    pub(crate) certificate: Certificate,
    pub(crate) key: KeyPair,
}

pub(crate) fn ca_params(name: &str) -> CertificateParams {
    let mut params = params(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// For a leaf with these names.
pub(crate) fn params(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let (params, key) = (ca_params(name), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        Authority { params, key, certificate }
    }

    /// A CA below this one.
    pub(crate) fn below(&self, name: &str) -> Self {
        let Issued { certificate, key } = self.sign(&ca_params(name), ECDSA);
        Authority { params: ca_params(name), key, certificate }
    }

    pub(crate) fn sign(&self, params: &CertificateParams, kind: &'static SignatureAlgorithm) -> Issued {
        let key = KeyPair::generate_for(kind).unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        Issued { certificate: params.signed_by(&key, &issuer).unwrap(), key }
    }

    pub(crate) fn issue(&self, names: &[&str]) -> Arc<Identity> {
        self.issue_for(names, ECDSA)
    }

    pub(crate) fn issue_for(&self, names: &[&str], kind: &'static SignatureAlgorithm) -> Arc<Identity> {
        self.sign(&params("leaf", names), kind).identity(&[])
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    /// A list that revokes these serial numbers, of `this` and `next` year.
    pub(crate) fn revoke(&self, serials: &[u64], (this, next): (i32, i32)) -> Vec<u8> {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(this, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(this, 1, 1),
            next_update: date_time_ymd(next, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&Issuer::from_params(&self.params, &self.key)).unwrap().der().to_vec()
    }
}

impl Issued {
    pub(crate) fn identity(&self, chain: &[&Authority]) -> Arc<Identity> {
        let chain: String = chain.iter().map(|authority| authority.certificate.pem()).collect();
        let pem = self.certificate.pem() + &chain;
        Identity::from_pem(pem.as_bytes(), self.key.serialize_pem().as_bytes()).unwrap()
    }
}

pub(crate) fn self_signed(params: &CertificateParams) -> Issued {
    let key = KeyPair::generate().unwrap();
    Issued { certificate: params.self_signed(&key).unwrap(), key }
}

pub(crate) fn server_parts(identities: Vec<Arc<Identity>>) -> ServerParts {
    ServerParts {
        identities,
        default: 0,
        policy: Policy::Intermediate,
        unknown_name: UnknownName::Default,
        client: None,
        protocols: vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()],
    }
}

pub(crate) fn server(identity: &Arc<Identity>) -> Arc<Server> {
    Server::new(server_parts(vec![identity.clone()])).unwrap()
}

pub(crate) fn client_auth(authority: &Authority) -> ClientAuth {
    ClientAuth { ca: vec![authority.der()], crls: Vec::new(), certificates: ClientCertificates::Required }
}

pub(crate) fn client_parts(authority: &Authority) -> ClientParts {
    ClientParts {
        roots: Roots::Given(vec![authority.der()]),
        verify: Verify::On,
        pins: Vec::new(),
        identity: None,
    }
}

pub(crate) fn client(authority: &Authority) -> Arc<Client> {
    Client::new(client_parts(authority)).unwrap()
}

pub(crate) fn dial(client: &Arc<Client>, name: &str) -> Dial {
    Dial::new(client.clone(), ServerName::try_from(name.to_owned()).unwrap())
}
