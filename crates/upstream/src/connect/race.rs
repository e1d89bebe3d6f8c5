//! Happy eyeballs (RFC 8305, section 5): of several endpoints the one that answers first, without asking all at once.
//!
//! An address that fails, or a family that leads nowhere, is not a backend that fails.

use std::time::Duration;

use evenkeel_model::{Cause, Endpoint};

use super::{ConnectError, cause_of_connect_error, open};
use crate::Socket;
use crate::stagger::{self, Attempt};

/// How long an attempt has for itself before the next one starts (RFC 8305, section 8).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to one of the endpoints, of which there is at least one.
pub(super) async fn connect(endpoints: &[Endpoint]) -> Result<Socket, ConnectError> {
    let attempts = interleaved(endpoints).into_iter().map(attempt).collect();
    stagger::first(attempts, HEAD_START, more_telling).await.expect("there is an endpoint")
}

fn attempt(endpoint: &Endpoint) -> Attempt<'_, Socket, ConnectError> {
    Box::pin(async move { open(endpoint).await.map_err(|error| cause_of_connect_error(&error)) })
}

/// The error that says more about the backend; of two that say as much, the first.
fn more_telling(noted: ConnectError, new: ConnectError) -> ConnectError {
    if silence(new.cause) < silence(noted.cause) { new } else { noted }
}

/// How little a cause says about the backend: who refuses is there, what is unroutable may be this machine's network.
fn silence(cause: Cause) -> usize {
    const TELLING: [Cause; 5] = [
        Cause::ConnectRefused,
        Cause::ConnectReset,
        Cause::ConnectTimeout,
        Cause::Unroutable,
        Cause::LocalPermission,
    ];
    TELLING.iter().position(|told| *told == cause).unwrap_or(TELLING.len())
}

/// By turns of each family, beginning with the first endpoint's (RFC 8305, section 4).
fn interleaved(endpoints: &[Endpoint]) -> Vec<&Endpoint> {
    let is_v6 = |endpoint: &Endpoint| matches!(endpoint, Endpoint::Tcp(address) if address.is_ipv6());
    let is_first = endpoints.first().is_some_and(is_v6);
    let (first, second): (Vec<_>, Vec<_>) =
        endpoints.iter().partition(|endpoint| is_v6(endpoint) == is_first);
    let mut turns = Vec::with_capacity(endpoints.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    while turns.len() < endpoints.len() {
        turns.extend(first.next());
        turns.extend(second.next());
    }
    turns
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::net::TcpListener;

    use super::*;
    use crate::connect;
    use crate::connect::tests::{closed, deaf};

    fn endpoint(text: &str) -> Endpoint {
        Endpoint::Tcp(text.parse().unwrap())
    }

    async fn listening(address: &str) -> (TcpListener, Endpoint) {
        let listener = TcpListener::bind(address).await.unwrap();
        let endpoint = Endpoint::Tcp(listener.local_addr().unwrap());
        (listener, endpoint)
    }

    async fn reached(endpoints: &[Endpoint]) -> Option<Endpoint> {
        connect(endpoints, Instant::now()).await.unwrap().socket.peer()
    }

    async fn failure(endpoints: &[Endpoint]) -> ConnectError {
        connect(endpoints, Instant::now()).await.expect_err("nobody listens")
    }

    #[test]
    fn families_take_turns_from_the_first_on() {
        let given = ["[::1]:1", "[::1]:2", "[::1]:3", "1.1.1.1:4", "1.1.1.1:5"].map(endpoint);
        let turns = [0, 3, 1, 4, 2].map(|index| &given[index]);
        assert_eq!(interleaved(&given), turns);
        let given = ["1.1.1.1:1", "1.1.1.1:2", "[::1]:3"].map(endpoint);
        assert_eq!(interleaved(&given), [0, 2, 1].map(|index| &given[index]));
    }

    #[tokio::test]
    async fn a_family_that_refuses_is_not_a_backend_that_refuses() {
        let closed = closed("[::1]:0");
        let (_listener, open) = listening("127.0.0.1:0").await;
        assert_eq!(reached(&[closed.endpoint(), open.clone()]).await, Some(open));
    }

    #[tokio::test]
    async fn the_first_endpoint_is_preferred() {
        let (_first, first) = listening("127.0.0.1:0").await;
        let (_second, second) = listening("127.0.0.1:0").await;
        assert_eq!(reached(&[first.clone(), second]).await, Some(first));
    }

    #[tokio::test]
    async fn an_endpoint_that_is_silent_holds_nobody_up_for_long() {
        let (deaf, since) = (deaf().await, Instant::now());
        let (_listener, open) = listening("127.0.0.1:0").await;
        assert_eq!(reached(&[deaf.endpoint(), open.clone()]).await, Some(open));
        assert!(since.elapsed() >= HEAD_START);
        assert!(since.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test]
    async fn a_failure_starts_the_next_attempt_at_once() {
        let (deaf, closed) = (deaf().await, closed("127.0.0.1:0"));
        let (_listener, open) = listening("127.0.0.1:0").await;
        let since = Instant::now();
        let endpoints = [closed.endpoint(), deaf.endpoint(), closed.endpoint(), open.clone()];
        assert_eq!(reached(&endpoints).await, Some(open));
        assert!(since.elapsed() < 2 * HEAD_START);
    }

    #[tokio::test]
    async fn the_error_is_the_one_that_says_most_about_the_backend() {
        // No connection leads to a group.
        let (closed, unroutable) = (closed("127.0.0.1:0"), endpoint("[ff02::1]:80"));
        assert_eq!(failure(&[unroutable.clone(), unroutable.clone()]).await.cause, Cause::Unroutable);
        for endpoints in [[closed.endpoint(), unroutable.clone()], [unroutable, closed.endpoint()]] {
            assert_eq!(failure(&endpoints).await.cause, Cause::ConnectRefused);
        }
        let missing = Endpoint::Unix(std::path::Path::new("/nowhere/at/all").into());
        assert_eq!(failure(&[missing.clone(), missing]).await.cause, Cause::ConnectRefused);
    }

    #[test]
    fn what_is_known_of_the_backend_comes_before_what_is_known_of_this_machine() {
        let causes = [
            Cause::ConnectRefused,
            Cause::ConnectReset,
            Cause::ConnectTimeout,
            Cause::Unroutable,
            Cause::LocalPermission,
            Cause::LocalResource,
        ];
        assert!(causes.is_sorted_by_key(|cause| silence(*cause)));
    }
}
