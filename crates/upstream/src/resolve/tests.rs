//! Look-ups against servers that answer by script, and files that change.

mod failures;
mod files;
mod script;

use std::net::SocketAddr;

use self::script::{A, AAAA, Reply, Server, of_family};
use super::*;

/// Nothing takes so long unless it hangs.
const LONG: Duration = Duration::from_secs(20);

/// With servers alone: no name stands in its hosts.
fn resolver(servers: &[SocketAddr], timeout: Duration) -> Resolver {
    Resolver::with(Source::Given(Arc::new(Servers::given(servers))), Path::new("/dev/null"), timeout)
}

fn shown(resolved: &Resolved) -> Vec<String> {
    resolved.endpoints.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn both_families_are_asked_for_and_the_least_ttl_counts() {
    let server = Server::following(|question| match question.kind {
        AAAA => of_family(question, 20, &["fd00::1", "fd00::2", "fd00::1"]),
        _ => of_family(question, 30, &["10.0.0.2", "10.0.0.1"]),
    })
    .await;
    // Looked up by a task, as control does it.
    let resolver = resolver(&[server.address], LONG);
    let resolved =
        tokio::spawn(async move { resolver.resolve("App.test", 80).await }).await.unwrap().unwrap();
    assert_eq!(shown(&resolved), ["[fd00::1]:80", "[fd00::2]:80", "10.0.0.2:80", "10.0.0.1:80"]);
    assert_eq!(resolved.ttl, Duration::from_secs(20));
    let mut kinds: Vec<_> = server.asked().iter().map(|question| question.kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [A, AAAA]);
}

#[tokio::test]
async fn one_family_is_enough() {
    for other in [Reply::Records(5, vec![]), Reply::Code(2), Reply::Code(3), Reply::Code(4), Reply::Code(5)] {
        for (kind, address) in [(A, "10.0.0.1:80"), (AAAA, "[fd00::1]:80")] {
            let other = other.clone();
            let server = Server::following(move |question| match question.kind == kind {
                true => of_family(question, 30, &["10.0.0.1", "fd00::1"]),
                false => other.clone(),
            })
            .await;
            let resolved = resolver(&[server.address], LONG).resolve("app.test", 80).await.unwrap();
            assert_eq!((shown(&resolved), resolved.ttl.as_secs()), (vec![address.to_owned()], 30));
        }
    }
}

#[tokio::test]
async fn a_family_that_is_never_answered_for_is_not_waited_for_long() {
    let server = Server::following(|question| match question.kind {
        A => of_family(question, 30, &["10.0.0.1"]),
        _ => Reply::Silence,
    })
    .await;
    let since = Instant::now();
    let resolved = resolver(&[server.address], LONG).resolve("app.test", 80).await.unwrap();
    assert_eq!(shown(&resolved), ["10.0.0.1:80"]);
    assert!(since.elapsed() < LONG / 4);
}

#[tokio::test]
async fn an_alias_is_good_for_as_long_as_all_that_it_takes() {
    let server = Server::following(|question| match (question.name.as_str(), question.kind) {
        ("app.test.", A) => Reply::Alias(7, "other.test", 30, vec!["10.0.0.1".parse().unwrap()]),
        // The target has to be asked for.
        ("far.test.", A) => Reply::Alias(7, "near.test", 0, vec![]),
        ("near.test.", A) => of_family(question, 5, &["10.0.0.2"]),
        _ => Reply::Records(0, vec![]),
    })
    .await;
    let resolver = resolver(&[server.address], LONG);
    let resolved = resolver.resolve("app.test", 80).await.unwrap();
    assert_eq!((shown(&resolved), resolved.ttl.as_secs()), (vec!["10.0.0.1:80".to_owned()], 7));
    let resolved = resolver.resolve("far.test", 80).await.unwrap();
    assert_eq!((shown(&resolved), resolved.ttl.as_secs()), (vec!["10.0.0.2:80".to_owned()], 5));
}

#[tokio::test]
async fn a_changed_record_is_seen_at_the_next_look_up() {
    let turn = Arc::new(std::sync::atomic::AtomicU8::new(1));
    let current = turn.clone();
    let server = Server::following(move |question| {
        let last = current.load(std::sync::atomic::Ordering::Relaxed);
        of_family(question, 3600, &[&format!("10.0.0.{last}")])
    })
    .await;
    let resolver = resolver(&[server.address], LONG);
    for last in 1..=3 {
        turn.store(last, std::sync::atomic::Ordering::Relaxed);
        let resolved = resolver.resolve("app.test", 80).await.unwrap();
        assert_eq!(shown(&resolved), [format!("10.0.0.{last}:80")]);
    }
}

#[tokio::test]
async fn an_answer_that_does_not_fit_comes_over_tcp() {
    let many: Vec<String> = (1..=200).map(|last| format!("10.0.0.{last}")).collect();
    let expected: Vec<String> = many.iter().map(|address| format!("{address}:80")).collect();
    let server = Server::following(move |question| match question.is_tcp {
        true => of_family(question, 30, &many.iter().map(String::as_str).collect::<Vec<_>>()),
        false => Reply::Truncated,
    })
    .await;
    let resolved = resolver(&[server.address], LONG).resolve("app.test", 80).await.unwrap();
    assert_eq!(shown(&resolved), expected);
}

#[tokio::test]
async fn a_packet_that_is_lost_is_sent_again() {
    let lost = std::sync::Mutex::new(std::collections::HashSet::new());
    let server = Server::following(move |question| match lost.lock().unwrap().insert(question.kind) {
        true => Reply::Silence,
        false => of_family(question, 30, &["10.0.0.1", "fd00::1"]),
    })
    .await;
    let resolved = resolver(&[server.address], LONG).resolve("app.test", 80).await.unwrap();
    assert_eq!(resolved.endpoints.len(), 2);
}
