//! What is said of a name that does not resolve, and of servers that do not do.

use std::collections::HashSet;

use evenkeel_model::Rcode;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::*;

/// As long as a test waits for what will not come.
const SHORT: Duration = Duration::from_millis(300);

async fn answering(reply: Reply) -> Server {
    Server::following(move |_| reply.clone()).await
}

async fn failure(servers: &[SocketAddr], timeout: Duration) -> NameFailure {
    resolver(servers, timeout).resolve("app.test", 80).await.expect_err("there is no address")
}

fn failed(rcode: Rcode) -> NameFailure {
    NameFailure { cause: Cause::DnsFailed, rcode: Some(rcode) }
}

/// Nobody listens there, nor will, while the other protocol is bound.
async fn nobody() -> (tokio::net::TcpListener, SocketAddr) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn a_failure_has_the_code_that_the_server_answered() {
    for (code, rcode) in [
        (0, Rcode::NoError),
        (1, Rcode::FormErr),
        (2, Rcode::ServFail),
        (3, Rcode::NxDomain),
        (4, Rcode::NotImp),
        (5, Rcode::Refused),
        (9, Rcode::Other),
    ] {
        let server = answering(Reply::Code(code)).await;
        assert_eq!(failure(&[server.address], LONG).await, failed(rcode));
    }
}

#[tokio::test]
async fn silence_is_a_timeout_and_ends_in_time() {
    let (first, second) = (answering(Reply::Silence).await, answering(Reply::Silence).await);
    for servers in [&[first.address][..], &[first.address, second.address]] {
        let since = Instant::now();
        assert_eq!(failure(servers, SHORT).await, NameFailure::from(Cause::DnsTimeout));
        assert!(since.elapsed() >= SHORT);
        assert!(since.elapsed() < LONG / 4);
    }
    assert!(!second.asked().is_empty());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_no_timeout() {
    let (_held, address) = nobody().await;
    assert_eq!(failure(&[address], LONG).await, NameFailure::from(Cause::DnsFailed));
}

#[tokio::test]
async fn another_server_is_asked_where_one_does_not_do() {
    let good = Server::following(|question| of_family(question, 30, &["10.0.0.1"])).await;
    let (_held, nobody) = nobody().await;
    for reply in [Reply::Silence, Reply::Code(1), Reply::Code(2), Reply::Code(4), Reply::Code(5)] {
        let bad = answering(reply.clone()).await;
        let resolver = resolver(&[bad.address, nobody, good.address], LONG);
        let resolved = resolver.resolve("app.test", 80).await.unwrap();
        assert_eq!(shown(&resolved), ["10.0.0.1:80"], "{reply:?}");
        assert!(!bad.asked().is_empty());
    }
}

#[tokio::test]
async fn that_there_is_no_such_name_is_the_last_word() {
    let good = Server::following(|question| of_family(question, 30, &["10.0.0.1"])).await;
    for (code, rcode) in [(0, Rcode::NoError), (3, Rcode::NxDomain)] {
        let first = answering(Reply::Code(code)).await;
        assert_eq!(failure(&[first.address, good.address], LONG).await, failed(rcode));
    }
    assert_eq!(good.asked(), []);
}

#[tokio::test]
async fn of_several_failures_the_one_with_an_answer_is_told() {
    let (refusing, silent) = (answering(Reply::Code(5)).await, answering(Reply::Silence).await);
    for servers in [[refusing.address, silent.address], [silent.address, refusing.address]] {
        assert_eq!(failure(&servers, SHORT).await, failed(Rcode::Refused));
    }
}

#[tokio::test]
async fn a_name_is_not_said_to_have_no_address_while_a_family_is_unknown() {
    for (other, expected) in [
        (Reply::Code(2), failed(Rcode::ServFail)),
        (Reply::Silence, NameFailure::from(Cause::DnsTimeout)),
        (Reply::Code(3), failed(Rcode::NoError)),
    ] {
        let server = Server::following(move |question| match question.kind {
            A => Reply::Code(0),
            _ => other.clone(),
        })
        .await;
        assert_eq!(failure(&[server.address], SHORT).await, expected);
    }
}

#[tokio::test]
async fn garbage_is_no_answer() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut query = [0; 512];
        loop {
            let (_, from) = socket.recv_from(&mut query).await.unwrap();
            // The first two bytes are those of the query, or it would not be looked at.
            let garbage = [query[0], query[1], 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
            socket.send_to(&garbage, from).await.unwrap();
        }
    });
    let failed = failure(&[address], SHORT).await;
    assert!(matches!(failed, NameFailure { cause: Cause::DnsFailed | Cause::DnsTimeout, rcode: None }));
    task.abort();
}

fn look_ups(resolver: &Resolver) -> JoinSet<Result<Resolved, NameFailure>> {
    let mut look_ups = JoinSet::new();
    for index in 0..3 * MOST_AT_A_TIME {
        let resolver = resolver.clone();
        look_ups.spawn(async move { resolver.resolve(&format!("app{index}.test"), 80).await });
    }
    look_ups
}

#[tokio::test]
async fn so_many_look_ups_run_at_a_time() {
    let silent = answering(Reply::Silence).await;
    let asked = || silent.asked().into_iter().map(|question| question.name).collect::<HashSet<_>>().len();
    let _look_ups = look_ups(&resolver(&[silent.address], LONG));
    let since = Instant::now();
    while asked() < MOST_AT_A_TIME {
        assert!(since.elapsed() < LONG / 2, "{} asked", asked());
        tokio::task::yield_now().await;
    }
    // Those that wait for their turn have been polled as often as those that have it.
    assert_eq!(asked(), MOST_AT_A_TIME);
}

#[tokio::test]
async fn waiting_for_a_turn_is_part_of_the_timeout() {
    let silent = answering(Reply::Silence).await;
    let since = Instant::now();
    for ended in look_ups(&resolver(&[silent.address], SHORT)).join_all().await {
        assert_eq!(ended, Err(Cause::DnsTimeout.into()));
    }
    assert!(since.elapsed() < 3 * SHORT);
}
