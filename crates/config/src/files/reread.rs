//! Files read again: what is good is taken, what is not stays as it was.

use std::sync::Arc;
use std::time::SystemTime;

use evenkeel_tls::{
    Client, ClientError, ClientParts, Dial, Identity, Roots, Server, ServerError, ServerParts, Verify,
};

use super::carry::client;
use super::read::Fault;
use super::{
    ListenerFiles, Pair, PoolFiles, Reread, Source, SystemRoots, Taken, authorities, client_fault,
    judge_client, judge_server, keep, server_fault,
};
use crate::Plan;
use crate::plan::Warnings;
use crate::problem::{Code, Problems};

/// What was found on the way.
struct Findings {
    now: SystemTime,
    problems: Vec<String>,
    warnings: Problems,
    system: SystemRoots,
}

impl Plan {
    /// Reads certificates, keys, CAs (the system's, too) and revocation lists again, though not the configuration itself.
    /// One that is no good stays as it is. What did not change is the very same, and sessions go on. Its warnings are those
    /// of the files now, and those that no file can end.
    pub fn reread(&self) -> Reread {
        self.reread_at(SystemTime::now())
    }

    /// The same, at another time.
    pub fn reread_at(&self, now: SystemTime) -> Reread {
        let mut plan = self.clone();
        let warnings = self.warnings.0.without_text(|code| code == Code::Unverified);
        let mut findings = Findings { now, problems: Vec::new(), warnings, system: SystemRoots::default() };
        for files in &mut plan.files.listeners {
            let listener = plan.listeners.iter_mut().find(|listener| listener.name == files.name);
            if let Some(tls) = listener.and_then(|listener| listener.tls.as_mut()) {
                tls.server = files.reread(&tls.server, &mut findings);
            }
        }
        for files in &plan.files.pools {
            let Some(pool) = plan.pools.iter_mut().find(|pool| pool.name == files.name) else { continue };
            let Some(new) = client(pool).map(|old| files.reread(old, &mut findings)) else { continue };
            for dial in pool.backends.iter_mut().filter_map(|backend| backend.tls.as_mut()) {
                *dial = Arc::new(Dial::new(new.clone(), dial.name().clone()));
            }
        }
        plan.carry_over(self);
        plan.warnings = Warnings(findings.warnings);
        Reread { plan, problems: findings.problems }
    }
}

impl Findings {
    fn tell(&mut self, at: &str, fault: &Fault) {
        self.problems.push(fault.text(at));
    }

    fn warn(&mut self, at: &str, fault: Fault) {
        let path = format!("{at}.{}", fault.key);
        self.warnings.add_unplaced(fault.code, &path, fault.message, fault.help);
    }

    /// What was read, unless it is worse than what serves.
    fn better(
        &self,
        pair: &Pair,
        key: &'static str,
        read: Result<Arc<Identity>, Fault>,
        before: Option<&Arc<Identity>>,
    ) -> Result<Arc<Identity>, Fault> {
        let new = read?;
        match before.and_then(|before| keep::worse(pair, key, &new, before, self.now)) {
            Some(fault) => Err(fault),
            None => Ok(new),
        }
    }

    /// What was read; what it was before, if that cannot be had.
    fn or<T>(&mut self, at: &str, read: Result<T, Fault>, before: T) -> T {
        read.unwrap_or_else(|fault| {
            self.tell(at, &fault);
            before
        })
    }
}

impl ListenerFiles {
    fn reread(&mut self, before: &Arc<Server>, findings: &mut Findings) -> Arc<Server> {
        let old = before.parts();
        let default = old.identities.get(old.default);
        let mut rest = old.identities.as_slice();
        let mut identities = Vec::new();
        let mut taken = Taken::new();
        let sources = self.sources.clone();
        for source in &mut self.sources {
            let (own, others) = rest.split_at(source.pairs.len().min(rest.len()));
            rest = others;
            identities.extend(source.reread(own, &mut taken, findings));
        }
        let parts = ServerParts {
            default: self.default_of(&identities, default, findings),
            identities,
            client: old.client.clone().map(|mut client| {
                if let Some(files) = &self.client {
                    let ca = authorities::certificates(&files.ca, "client.ca");
                    client.ca = findings.or(&self.at, ca, client.ca);
                    if let Some(path) = &files.crl {
                        let crls = authorities::revocation_lists(path, "client.crl");
                        client.crls = findings.or(&self.at, crls, client.crls);
                    }
                }
                client
            }),
            ..old.clone()
        };
        if parts == *old {
            return before.clone();
        }
        self.server(parts, old, findings).unwrap_or_else(|| {
            self.sources = sources;
            before.clone()
        })
    }

    /// The place of the default identity: the one with its name, else the one that was it, else the first.
    fn default_of(
        &self,
        identities: &[Arc<Identity>],
        before: Option<&Arc<Identity>>,
        findings: &mut Findings,
    ) -> usize {
        let Some(name) = &self.default else { return 0 };
        if let Some(place) = identities.iter().position(|identity| is_for(identity, name)) {
            return place;
        }
        let message = format!("no certificate is for `{name}` any more");
        let help = "write the name of one that is there, or remove it";
        findings.tell(&self.at, &Fault::new("default", Code::UnknownName, message, help));
        identities.iter().position(|identity| Some(identity) == before).unwrap_or(0)
    }

    /// A server of these parts; with the CAs and lists from before, if the new ones cannot be used.
    fn server(
        &self,
        mut parts: ServerParts,
        old: &ServerParts,
        findings: &mut Findings,
    ) -> Option<Arc<Server>> {
        loop {
            let error = match Server::new(parts.clone()) {
                Ok(server) => return Some(server),
                Err(error) => error,
            };
            findings.tell(&self.at, &server_fault(&error, self.client.as_ref()));
            match (&error, &mut parts.client, &old.client) {
                (ServerError::BadCrl(_), Some(new), Some(old)) if new.crls != old.crls => {
                    new.crls = old.crls.clone();
                }
                (ServerError::BadCa(_), Some(new), Some(old)) if new.ca != old.ca => new.ca = old.ca.clone(),
                _ => return None,
            }
        }
    }
}

/// Whether a certificate is for a name as it is written as the default: a wildcard only by itself.
pub(crate) fn is_for(identity: &Identity, name: &str) -> bool {
    identity.covers(name) || identity.facts().names.iter().any(|own| **own == *name)
}

impl Source {
    /// Its identities now; `before` are those of its pairs as they were.
    fn reread(
        &mut self,
        before: &[Arc<Identity>],
        taken: &mut Taken,
        findings: &mut Findings,
    ) -> Vec<Arc<Identity>> {
        let mut loaded = self.origin.load();
        let mut left = Vec::new();
        match &loaded.fault {
            Some(fault) => findings.tell(&self.at, fault),
            None => {
                let found: Vec<&Pair> = loaded.found.iter().map(|(pair, _)| pair).collect();
                left = keep::remains(&self.pairs, &found).into_iter().cloned().collect();
                loaded.found.extend(left.iter().map(|pair| (pair.clone(), keep::read_again(pair))));
                loaded.found.sort_by(|(one, _), (other, _)| one.cmp(other));
            }
        }
        let before = self.pairs.iter().zip(before);
        let places = keep::Places::new(
            before.clone().map(|(pair, identity)| (pair, (pair, identity))),
            loaded.found.iter().map(|(pair, _)| pair),
        );
        let mut now = Vec::new();
        for (pair, result) in loaded.found {
            let old = places.of(&pair);
            let key = self.origin.key("certificate");
            match findings.better(&pair, key, result, old.map(|(_, identity)| identity)) {
                Ok(identity) => now.push((pair, identity)),
                Err(fault) => {
                    findings.tell(&self.at, &fault);
                    now.extend(old.map(|(pair, identity)| (pair.clone(), identity.clone())));
                }
            }
        }
        keep::drop_doubles(&mut now, &left);
        // A folder that has become empty is a mistake, or half of a change.
        if now.is_empty() {
            now.extend(before.map(|(pair, identity)| (pair.clone(), identity.clone())));
        }
        for warning in loaded.warnings {
            findings.warn(&self.at, warning);
        }
        for (pair, identity) in &now {
            let (path, key) = (pair.certificate.display().to_string(), self.origin.key("certificate"));
            for warning in judge_server(identity, &path, key, findings.now, taken) {
                findings.warn(&self.at, warning);
            }
        }
        let (pairs, identities) = now.into_iter().unzip();
        self.pairs = pairs;
        identities
    }
}

impl PoolFiles {
    fn reread(&self, before: &Arc<Client>, findings: &mut Findings) -> Arc<Client> {
        let mut parts: ClientParts = before.parts().clone();
        let roots = match (&self.ca, parts.verify) {
            (Some(path), Verify::On) => Some(authorities::certificates(path, "ca").map(Roots::Given)),
            (None, Verify::On) => Some(findings.system.read().map_err(|error| client_fault(&error, self))),
            (_, Verify::Off) => None,
        };
        if let Some(roots) = roots {
            parts.roots = findings.or(&self.at, roots, parts.roots);
        }
        if let Some(pair) = &self.identity {
            let read = findings.better(pair, "certificate", pair.load(), parts.identity.as_ref());
            parts.identity = findings.or(&self.at, read.map(Some), parts.identity);
        }
        if let (Some(pair), Some(identity)) = (&self.identity, &parts.identity) {
            let path = pair.certificate.display().to_string();
            let judged = judge_client(identity, &path, "certificate", findings.now);
            for warning in judged.into_iter().chain(pair.open_to_all()) {
                findings.warn(&self.at, warning);
            }
        }
        if parts == *before.parts() {
            return before.clone();
        }
        self.client(parts, before, findings)
    }

    /// A client of these parts; with the CAs from before, if the new ones cannot be used.
    fn client(&self, mut parts: ClientParts, before: &Arc<Client>, findings: &mut Findings) -> Arc<Client> {
        loop {
            let error = match Client::new(parts.clone()) {
                Ok(client) => return client,
                Err(error) => error,
            };
            findings.tell(&self.at, &client_fault(&error, self));
            let roots = &before.parts().roots;
            match error {
                ClientError::BadCa(_) | ClientError::NoSystemRoots(_) if parts.roots != *roots => {
                    parts.roots = roots.clone();
                }
                ClientError::BadCa(_) | ClientError::NoSystemRoots(_) | ClientError::BadIdentity(_) => {
                    return before.clone();
                }
            }
        }
    }
}
