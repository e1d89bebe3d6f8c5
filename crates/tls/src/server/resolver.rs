//! Whose certificate a client gets: by the name that it asks for, and by the signatures that it can verify.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{ServerError, ServerParts, UnknownName};
use crate::Identity;
use crate::hello::{self, Hello};

/// Identities of one name: ECDSA before Ed25519 before RSA, then as configured.
type Candidates = Vec<Arc<Identity>>;

pub(super) struct Resolver {
    exact: HashMap<Box<str>, Candidates>,
    /// By what stands behind `*.`.
    wildcards: HashMap<Box<str>, Candidates>,
    /// Never empty; the default one first.
    default: Candidates,
    unknown_name: UnknownName,
}

impl Resolver {
    pub(super) fn new(parts: &ServerParts) -> Result<Self, ServerError> {
        let Some(default) = parts.identities.get(parts.default) else {
            return Err(ServerError::Other("the default certificate is none of those that are given".into()));
        };
        let mut resolver = Resolver {
            exact: HashMap::new(),
            wildcards: HashMap::new(),
            default: vec![default.clone()],
            unknown_name: parts.unknown_name,
        };
        let mut identities = parts.identities.clone();
        identities.sort_by_key(|identity| identity.facts().key);
        for identity in &identities {
            for name in &identity.facts().names {
                let (map, name) = match name.strip_prefix("*.") {
                    Some(fixed) => (&mut resolver.wildcards, fixed),
                    None => (&mut resolver.exact, &**name),
                };
                map.entry(name.into()).or_default().push(identity.clone());
            }
        }
        // Who cannot verify the default one may verify another of the same name.
        if let Some(name) = default.facts().names.first() {
            let others =
                identities.iter().filter(|other| *other != default && other.facts().names.contains(name));
            resolver.default.extend(others.cloned());
        }
        Ok(resolver)
    }

    /// Who can be shown to a client that asks for this name, best first; `None`: nobody has it.
    fn known(&self, name: &str) -> Option<impl Iterator<Item = &Arc<Identity>>> {
        let exact = self.exact.get(name);
        let wildcard = name.split_once('.').and_then(|(_, behind)| self.wildcards.get(behind));
        (exact.is_some() || wildcard.is_some()).then(|| exact.into_iter().chain(wildcard).flatten())
    }

    fn choose(&self, name: Option<&str>, hello: &ClientHello<'_>) -> Option<Arc<Identity>> {
        match name.map(|name| self.known(name)) {
            Some(Some(candidates)) => first_fit(candidates, hello),
            Some(None) if self.unknown_name == UnknownName::Refuse => None,
            Some(None) | None => first_fit(self.default.iter(), hello),
        }
    }
}

/// The first whose signatures the client can verify and that is valid now: the old one may still lie beside the new. If none
/// is valid, the first of the others. If the client can verify none, any: TLS then fails by itself, and says why.
fn first_fit<'a>(
    candidates: impl Iterator<Item = &'a Arc<Identity>>,
    hello: &ClientHello<'_>,
) -> Option<Arc<Identity>> {
    let now = SystemTime::now();
    let (mut best, mut least_wrong) = (None, (true, true));
    for identity in candidates {
        let fits = identity.certified_key().key.choose_scheme(hello.signature_schemes()).is_some();
        let wrong = (!fits, !identity.facts().is_valid(now));
        if best.is_none() || wrong < least_wrong {
            (best, least_wrong) = (Some(identity), wrong);
        }
        if wrong == (false, false) {
            break;
        }
    }
    best.cloned()
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = client_hello.server_name().map(|name| {
            let name = name.strip_suffix('.').unwrap_or(name);
            name.to_ascii_lowercase().into_boxed_str()
        });
        let identity = self.choose(name.as_deref(), &client_hello);
        let key = identity.as_ref().map(|identity| identity.certified_key().clone());
        hello::leave(Hello { name, identity });
        key
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Resolver").field("default", &self.default).finish_non_exhaustive()
    }
}
