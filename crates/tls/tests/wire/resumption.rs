//! Sessions that go on, and those that must not.

use std::sync::Arc;

use evenkeel_tls::{ClientAuth, Server, Session};
use rustls::version::{TLS12, TLS13};

use crate::authority::{Authority, client, client_auth, client_parts, dial, server, server_parts};
use crate::ends::{End as _, Strange, connect, join, meet, shake};

#[test]
fn the_second_connection_goes_on_with_the_first() {
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["a.test"]));
    let dial = dial(&client(&ca), "a.test");
    assert!(!join(&dial, &server).1.is_resumed());
    for _ in 0..3 {
        let (client, ours) = join(&dial, &server);
        assert!(client.is_resumed() && ours.is_resumed());
        assert_eq!(ours.server_name(), Some("a.test"));
        assert!(ours.identity().is_some(), "it is known whose certificate counts");
        assert_eq!(client.peer_certificate(), Some(&ours.identity().unwrap().chain()[0]));
    }
}

#[test]
fn old_clients_resume_as_well() {
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["a.test"]));
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(Strange { versions: vec![version], ..Strange::new() }.config(&ca));
        let resumed = [(); 3].map(|()| {
            let mut ours = Session::accept(&server).unwrap();
            shake(&mut connect(&config, "a.test"), &mut ours).unwrap();
            ours.is_resumed()
        });
        assert_eq!(resumed, [false, true, true], "{version:?}");
    }
}

#[test]
fn a_server_keeps_the_sessions_of_the_one_before_it() {
    let ca = Authority::new("ca");
    let (old, new) = (ca.issue(&["a.test"]), ca.issue(&["a.test", "b.test"]));
    let before = server(&old);
    let dial = dial(&client(&ca), "a.test");
    join(&dial, &before);
    let after = server(&new).inherit(&before);
    assert_eq!(after.parts().identities, [new]);
    assert!(join(&dial, &after).1.is_resumed());
    // And the one after that.
    let last = server(&old).inherit(&after);
    assert!(join(&dial, &last).1.is_resumed());
}

#[test]
fn no_session_goes_on_with_another_server() {
    let ca = Authority::new("ca");
    let identity = ca.issue(&["a.test"]);
    let dial = dial(&client(&ca), "a.test");
    join(&dial, &server(&identity));
    assert!(!join(&dial, &server(&identity)).1.is_resumed());
}

#[test]
fn no_session_goes_on_under_another_name() {
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["a.test", "b.test"]));
    let client = client(&ca);
    join(&dial(&client, "a.test"), &server);
    assert!(!join(&dial(&client, "b.test"), &server).1.is_resumed());
}

#[test]
fn a_client_with_a_certificate_is_looked_at_each_time() {
    let (ca, clients) = (Authority::new("ca"), Authority::new("clients"));
    let identity = ca.issue(&["a.test"]);
    let parts_with = |client: Option<ClientAuth>| {
        let mut parts = server_parts(vec![identity.clone()]);
        parts.client = client;
        Server::new(parts).unwrap()
    };
    let open = parts_with(None);
    let closed = parts_with(Some(client_auth(&clients)));
    let mut parts = client_parts(&ca);
    parts.identity = Some(clients.issue(&["me.test"]));
    let dial = dial(&evenkeel_tls::Client::new(parts).unwrap(), "a.test");

    // A session from before certificates were asked for does not spare anybody from showing one.
    join(&dial, &open);
    let closed = closed.inherit(&open);
    for _ in 0..3 {
        let (_, ours) = join(&dial, &closed);
        assert!(!ours.is_resumed());
        assert!(ours.peer_certificate().is_some());
    }
    // Nor do those who believe others, or nobody at all.
    let others = parts_with(Some(client_auth(&ca))).inherit(&closed);
    assert!(meet(&dial, &others).2.server.is_err());
    assert!(!join(&dial, &parts_with(None).inherit(&closed)).1.is_resumed());
    // The same again is the same.
    let again = parts_with(Some(client_auth(&clients))).inherit(&closed);
    assert_eq!(again, closed);
    assert!(join(&dial, &again).1.peer_certificate().is_some());
}

#[test]
fn tickets_that_nobody_made_are_passed_over() {
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["a.test"]));
    let dial = dial(&client(&ca), "a.test");
    join(&dial, &server);
    let mut client = Session::connect(&dial).unwrap();
    client.step().unwrap();
    let mut hello = client.take();
    // The ticket stands near the end, before the binder.
    let place = hello.len() - 80;
    hello[place] ^= 1;
    let mut ours = Session::accept(&server).unwrap();
    ours.give(&hello);
    assert!(ours.step().is_ok());
    assert!(!ours.is_resumed());
}
