//! Names to endpoints, as the C library does it: `/etc/hosts`, then the servers of `/etc/resolv.conf` or those that are
//! given; but no look-up takes longer than it may, and each failure says what the server answered.
//!
//! Nothing is cached: how long an answer is good for is handed on to who asked. Both files are read anew when they change.

mod answer;
mod hosts;
mod look_up;
mod servers;
mod transport;
mod watched;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::{Cause, Endpoint, NameFailure};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::answer::Answer;
use self::hosts::Hosts;
use self::look_up::LookUp;
use self::servers::Servers;
use self::watched::Watched;

/// How long an answer is good for that no server gave: so soon a change of `/etc/hosts` shows.
const FROM_HERE: Duration = Duration::from_secs(5);

/// Most look-ups at a time, each with a few sockets; others wait for their turn, within their timeout.
const MOST_AT_A_TIME: usize = 64;

/// Resolves names; cheap to clone. It has to be used on a tokio runtime.
#[derive(Clone, Debug)]
pub struct Resolver(Arc<Shared>);

/// The addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// At least one, none twice: IPv6 before IPv4, each in the server's order; or in the order of `/etc/hosts`. An address
    /// of a family that leads nowhere does no harm where the first that answers is connected to.
    pub endpoints: Arc<[Endpoint]>,
    /// For how long, by the record that ends first; may be zero. Five seconds where `/etc/hosts` says so.
    pub ttl: Duration,
}

#[derive(Debug)]
struct Shared {
    servers: Source,
    hosts: Watched<Hosts>,
    timeout: Duration,
    turns: Semaphore,
}

/// Where the servers stand.
#[derive(Debug)]
enum Source {
    Given(Arc<Servers>),
    System(Watched<Servers>),
}

impl Resolver {
    /// Asks `servers`, in this order; without any, those of `/etc/resolv.conf`, whose search domains count, too, or
    /// 127.0.0.1:53 if it names none. A look-up takes `timeout` at most.
    pub fn new(servers: &[SocketAddr], timeout: Duration) -> Self {
        let servers = match servers {
            [] => Source::System(Watched::new(Path::new("/etc/resolv.conf"), Servers::read)),
            given => Source::Given(Arc::new(Servers::given(given))),
        };
        Self::with(servers, Path::new("/etc/hosts"), timeout)
    }

    fn with(servers: Source, hosts: &Path, timeout: Duration) -> Self {
        let hosts = Watched::new(hosts, Hosts::read);
        Resolver(Arc::new(Shared { servers, hosts, timeout, turns: Semaphore::new(MOST_AT_A_TIME) }))
    }

    /// Every address of `host`, each with `port`. IPv6 and IPv4 are asked for at the same time, and one of them is enough:
    /// it waits for the other a second at most. A name that ends in a dot is absolute.
    ///
    /// # Errors
    /// [`Cause::DnsTimeout`] where no server answered in time; [`Cause::DnsFailed`] with what was answered, or without
    /// where no server could be reached.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Resolved, NameFailure> {
        let deadline = Instant::now() + self.0.timeout;
        if let Some(addresses) = self.known(host) {
            return Ok(Resolved::new(&Answer { addresses, ttl: FROM_HERE }, port));
        }
        let _turn = self.turn(deadline).await?;
        let servers = self.0.servers.read();
        let answer = LookUp::new(&servers, self.0.timeout, deadline).of(host).await?;
        Ok(Resolved::new(&answer, port))
    }

    /// What no server has to be asked for.
    fn known(&self, host: &str) -> Option<Vec<IpAddr>> {
        if let Ok(address) = host.parse() {
            return Some(vec![address]);
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let in_hosts = self.0.hosts.read().addresses(&name).map(<[_]>::to_vec);
        // RFC 6761, section 6.3.
        let is_localhost = name == "localhost" || name.ends_with(".localhost");
        in_hosts
            .or_else(|| is_localhost.then(|| vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]))
    }

    // A timer per look-up is fine off the request path.
    #[allow(clippy::disallowed_methods)]
    async fn turn(&self, deadline: Instant) -> Result<tokio::sync::SemaphorePermit<'_>, NameFailure> {
        let turn = tokio::time::timeout_at(deadline, self.0.turns.acquire()).await;
        match turn {
            Ok(turn) if Instant::now() < deadline => Ok(turn.expect("nobody closes it")),
            // One that comes with the deadline comes too late.
            Ok(_) | Err(_) => Err(Cause::DnsTimeout.into()),
        }
    }
}

impl Resolved {
    fn new(answer: &Answer, port: u16) -> Self {
        let mut endpoints: Vec<Endpoint> = Vec::with_capacity(answer.addresses.len());
        for address in &answer.addresses {
            let endpoint = Endpoint::Tcp(SocketAddr::new(*address, port));
            if !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
        Resolved { endpoints: endpoints.into(), ttl: answer.ttl }
    }
}

impl Source {
    fn read(&self) -> Arc<Servers> {
        match self {
            Source::Given(servers) => servers.clone(),
            Source::System(file) => file.read(),
        }
    }
}

#[cfg(test)]
mod tests;
