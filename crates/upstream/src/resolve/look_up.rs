//! One look-up: the names that a name may stand for, one after the other; both families at the same time; of each, the
//! servers in turn.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use evenkeel_model::{Cause, NameFailure, Rcode};
use hickory_resolver::Resolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, SILENCE, failure, is_final, more_open, more_telling};
use super::servers::Servers;
use super::transport::Connected;
use crate::stagger::{self, Attempt};

/// Longest wait for the other family once one has answered, and for a server before the next is asked, too.
const PATIENCE: Duration = Duration::from_secs(1);

type Found = Result<Answer, NameFailure>;

/// What a server says, where another would say the same; or why it says nothing.
type Said = Result<Found, NameFailure>;

/// A look-up to be made.
pub(super) struct LookUp<'a> {
    servers: &'a Servers,
    /// One per server, made for this look-up alone: what they would learn of their server is not to be carried over, since
    /// a name without an address counts against it.
    clients: Vec<Resolver<Connected>>,
    patience: Duration,
    deadline: Instant,
}

impl<'a> LookUp<'a> {
    /// It ends at `deadline`, `timeout` from now or sooner.
    pub(super) fn new(servers: &'a Servers, timeout: Duration, deadline: Instant) -> Self {
        let clients = servers.addresses.iter().filter_map(|address| {
            let mut config = NameServerConfig::udp_and_tcp(address.ip());
            config.connections.iter_mut().for_each(|way: &mut ConnectionConfig| way.port = address.port());
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![config]);
            let builder = Resolver::builder_with_config(config, Connected::default());
            builder.with_options(options(servers, timeout)).build().ok()
        });
        let shares = u32::try_from(servers.addresses.len() + 1).unwrap_or(u32::MAX);
        LookUp { servers, clients: clients.collect(), patience: PATIENCE.min(timeout / shares), deadline }
    }

    /// Looks a name up, as the C library does.
    pub(super) async fn of(&self, host: &str) -> Found {
        let mut failed: Option<NameFailure> = None;
        for name in self.servers.candidates(host) {
            let error = match self.both_families(&name).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let noted = *failed.insert(failed.map_or(error, |noted| more_open(noted, error)));
            match error.rcode {
                Some(Rcode::NoError | Rcode::NxDomain | Rcode::ServFail) => {}
                Some(Rcode::FormErr | Rcode::NotImp | Rcode::Refused | Rcode::Other) | None => {
                    return Err(noted);
                }
            }
        }
        Err(failed.unwrap_or(Cause::DnsFailed.into()))
    }

    async fn both_families(&self, name: &Name) -> Found {
        let (mut v6, mut v4) =
            (pin!(self.family(name, RecordType::AAAA)), pin!(self.family(name, RecordType::A)));
        // The one that is not ready is waited for further.
        let (v6, v4) = tokio::select! {
            found = &mut v6 => { let other = self.other(&found, v4).await; (found, other) }
            found = &mut v4 => (self.other(&found, v6).await, found),
        };
        match (v6, v4) {
            (Ok(v6), Ok(v4)) => Ok(v6.and(v4)),
            (Ok(only), Err(_)) | (Err(_), Ok(only)) => Ok(only),
            (Err(v6), Err(v4)) => Err(more_open(v6, v4)),
        }
    }

    /// The other family; not for long if it can be done without.
    // A timer per look-up is fine off the request path.
    #[allow(clippy::disallowed_methods)]
    async fn other(&self, found: &Found, other: Pin<&mut impl Future<Output = Found>>) -> Found {
        match found {
            Ok(_) => tokio::time::timeout(self.patience, other).await.unwrap_or(Err(SILENCE)),
            Err(_) => other.await,
        }
    }

    /// The first server that says something about the name; of those that do not, the most telling failure.
    async fn family(&self, name: &Name, family: RecordType) -> Found {
        let attempts = self.clients.iter().map(|client| self.attempt(client, name, family)).collect();
        match stagger::first(attempts, self.patience, more_telling).await {
            Some(said) => said?,
            None => Err(Cause::DnsFailed.into()),
        }
    }

    fn attempt<'b>(
        &self,
        client: &'b Resolver<Connected>,
        name: &'b Name,
        family: RecordType,
    ) -> Attempt<'b, Found, NameFailure> {
        let deadline = self.deadline;
        Box::pin(async move {
            let answer = timeout_at(deadline, client.lookup(name.clone(), family)).await;
            said(match answer.map_err(|_| SILENCE)? {
                Ok(lookup) => Answer::of(&lookup),
                Err(error) => Err(failure(&error)),
            })
        })
    }
}

fn said(found: Found) -> Said {
    match found {
        Ok(answer) => Ok(Ok(answer)),
        Err(failure) if is_final(failure) => Ok(Err(failure)),
        Err(failure) => Err(failure),
    }
}

fn options(servers: &Servers, timeout: Duration) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = timeout;
    // A packet that is lost is sent again, within the timeout; this is about asking all over.
    options.attempts = 0;
    options.edns0 = servers.knows_edns;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options
}
