//! Names to endpoints, by the system's resolver, off the workers.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::{Cause, Endpoint};

/// Longest wait for the system's resolver.
const DEADLINE: Duration = Duration::from_secs(5);

/// Every address of `host`, in the resolver's order.
///
/// # Errors
/// [`Cause::DnsTimeout`] after five seconds, [`Cause::DnsFailed`] when there is no address.
// A timer per look-up is fine off the request path.
#[allow(clippy::disallowed_methods)]
pub async fn resolve(host: &str, port: u16) -> Result<Arc<[Endpoint]>, Cause> {
    let answer = tokio::time::timeout(DEADLINE, tokio::net::lookup_host((host, port))).await;
    let addresses = answer.map_err(|_| Cause::DnsTimeout)?.map_err(|_| Cause::DnsFailed)?;
    let mut endpoints: Vec<_> = addresses.map(Endpoint::Tcp).collect();
    endpoints.dedup();
    match endpoints.is_empty() {
        true => Err(Cause::DnsFailed),
        false => Ok(endpoints.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn localhost_has_an_address_and_an_invalid_name_has_none() {
        assert!(!resolve("localhost", 80).await.unwrap().is_empty());
        let failed = resolve("no-such-name.invalid", 80).await;
        assert!(matches!(failed, Err(Cause::DnsFailed | Cause::DnsTimeout)));
    }
}
