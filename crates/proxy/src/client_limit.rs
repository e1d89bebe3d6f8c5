//! How many connections each client address has, over all workers; asked only where a listener limits them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts by listener and client.
#[derive(Debug, Default)]
pub(crate) struct ClientCounts(Mutex<HashMap<Key, usize>>);

/// One connection in its client's count, until it is dropped.
#[derive(Debug)]
pub(crate) struct ClientPlace {
    counts: Arc<ClientCounts>,
    key: Key,
}

type Key = (Arc<str>, IpAddr);

impl ClientCounts {
    /// A place for one more connection, or `None` if the client has `most` already.
    pub(crate) fn place(
        self: &Arc<Self>,
        listener: &Arc<str>,
        client: IpAddr,
        most: usize,
    ) -> Option<ClientPlace> {
        let key = (listener.clone(), network(client));
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(ClientPlace { counts: self.clone(), key })
    }
}

/// A client of IPv6 commonly has a whole /64 to itself.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        address => address,
    }
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_places_and_no_more_until_one_is_free() {
        let counts = Arc::<ClientCounts>::default();
        let edge: Arc<str> = "edge".into();
        let client = "192.0.2.1".parse().unwrap();
        let first = counts.place(&edge, client, 1);
        assert!(first.is_some());
        assert!(counts.place(&edge, client, 1).is_none());
        assert!(counts.place(&edge, "192.0.2.2".parse().unwrap(), 1).is_some());
        drop(first);
        assert!(counts.place(&edge, client, 1).is_some());
        assert!(counts.0.lock().unwrap().is_empty());
    }

    #[test]
    fn one_ipv6_network_is_one_client() {
        let counts = Arc::<ClientCounts>::default();
        let edge: Arc<str> = "edge".into();
        let _first = counts.place(&edge, "2001:db8::1".parse().unwrap(), 1);
        assert!(counts.place(&edge, "2001:db8::2".parse().unwrap(), 1).is_none());
        assert!(counts.place(&edge, "2001:db8:0:1::2".parse().unwrap(), 1).is_some());
    }
}
