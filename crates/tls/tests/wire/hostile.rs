//! Peers that lie, stop, and send what nobody asked for. Nothing here may panic.

use std::io::IoSlice;

use evenkeel_tls::{Error, Read, Session};
use proptest::prelude::*;
use rustls::version::{TLS12, TLS13};

use crate::authority::{Authority, client, dial, server};
use crate::ends::{End as _, Strange, join, read, shake, write, write_strange};

#[test]
fn garbage_ends_the_connection_with_an_alert_and_stays_an_error() {
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["a.test"]));
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"[..],
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
        b"\x17\x03\x03\x00\x01x",
        b"\x14\x03\x03\x00\x01\x01\x14\x03\x03\x00\x01\x01",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\x00\x00\x00\x00\x00",
        &[0xff; 500],
    ] {
        let mut ours = Session::accept(&server).unwrap();
        ours.give(garbage);
        let error = ours.step().unwrap_err();
        let is_alert = matches!(error, Error::AlertReceived(_));
        assert_eq!(ours.outgoing().is_empty(), is_alert, "{garbage:?}: {error:?}");
        ours.take();
        assert_eq!(ours.step().unwrap_err(), error);
        assert_eq!(ours.read(&mut [0; 10]).unwrap_err(), error);
        assert_eq!(ours.write(&[IoSlice::new(b"x")]).unwrap_err(), error);
        ours.close();
        assert!(ours.outgoing().is_empty(), "who failed has nothing more to say");
        assert!(ours.unread().is_empty());
    }
}

#[test]
fn cleartext_can_be_told_before_it_is_judged() {
    let ca = Authority::new("ca");
    let mut ours = Session::accept(&server(&ca.issue(&["a.test"]))).unwrap();
    ours.give(b"GET /");
    assert_eq!(ours.unread(), b"GET /");
    assert!(!ours.has_hello());
}

#[test]
fn a_message_that_never_ends_finds_an_end_of_the_room() {
    let ca = Authority::new("ca");
    let mut ours = Session::accept(&server(&ca.issue(&["a.test"]))).unwrap();
    // A hello of 65,000 bytes, one byte a record.
    let mut count = 0;
    let mut record = |bytes: &[u8]| {
        let room = ours.room();
        let fits = room.len().min(bytes.len());
        room[..fits].copy_from_slice(&bytes[..fits]);
        ours.received(fits);
        count += fits;
        fits > 0 && ours.step().is_ok()
    };
    assert!(record(b"\x16\x03\x01\x00\x04\x01\x00\xfd\xe8"));
    while record(b"\x16\x03\x01\x00\x01x") {}
    assert!(ours.room().is_empty(), "it was taken in to the last byte");
    assert!(count < 100_000);
}

#[test]
fn a_message_that_is_too_large_is_refused() {
    let ca = Authority::new("ca");
    let mut ours = Session::accept(&server(&ca.issue(&["a.test"]))).unwrap();
    ours.give(b"\x16\x03\x01\x00\x05\x01\x01\x00\x00\x00");
    assert!(matches!(ours.step(), Err(Error::InvalidMessage(_))));
}

#[test]
fn a_record_that_was_changed_is_refused_but_what_came_before_it_counts() {
    let ca = Authority::new("ca");
    let (mut one, mut other) = join(&dial(&client(&ca), "a.test"), &server(&ca.issue(&["a.test"])));
    write(&mut one, b"good");
    let mut bytes = one.take();
    write(&mut one, b"evil");
    let mut changed = one.take();
    *changed.last_mut().unwrap() ^= 1;
    bytes.extend(changed);
    other.give(&bytes);
    let mut room = [0; 100];
    assert_eq!(other.read(&mut room).unwrap(), Read::Bytes(4));
    assert_eq!(other.read(&mut room).unwrap_err(), Error::DecryptError);
    assert_eq!(other.read(&mut room).unwrap_err(), Error::DecryptError);
    assert!(!other.outgoing().is_empty(), "the peer is told");
    one.give(&other.take());
    assert!(matches!(one.read(&mut room), Err(Error::AlertReceived(_))));
}

#[test]
fn what_was_decrypted_while_writing_is_not_lost_by_a_failure() {
    let ca = Authority::new("ca");
    let (mut one, mut other) = join(&dial(&client(&ca), "a.test"), &server(&ca.issue(&["a.test"])));
    write(&mut one, b"good");
    let mut bytes = one.take();
    bytes.extend(b"\x17\x03\x03\x00\x20garbage garbage garbage garbage!");
    other.give(&bytes);
    assert_eq!(other.write(&[IoSlice::new(b"answer")]), Err(Error::DecryptError));
    assert_eq!(other.read(&mut [0; 100]).unwrap(), Read::Bytes(4));
    assert_eq!(other.read(&mut [0; 100]).unwrap_err(), Error::DecryptError);
}

#[test]
fn garbage_after_our_own_end_is_no_panic() {
    let ca = Authority::new("ca");
    for garbage in
        [&b"\x17\x03\x03\x00\x20garbage garbage garbage garbage!"[..], b"GET / HTTP/1.1\r\n", &[0xff; 64]]
    {
        let (mut one, mut other) = join(&dial(&client(&ca), "a.test"), &server(&ca.issue(&["a.test"])));
        other.close();
        one.give(&other.take());
        other.give(garbage);
        let _ = other.read(&mut [0; 100]);
        let _ = other.write(&[IoSlice::new(b"late")]);
        let _ = other.step();
        assert_eq!(one.read(&mut [0; 100]).unwrap(), Read::Ended);
    }
}

#[test]
fn half_a_ticket_and_then_our_own_write() {
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["a.test"]));
    let dial = dial(&client(&ca), "a.test");
    let (mut client, mut ours) = (Session::connect(&dial).unwrap(), Session::accept(&server).unwrap());
    // By hand, so that what comes behind the handshake is at hand.
    client.step().unwrap();
    ours.give(&client.take());
    ours.step().unwrap();
    client.give(&ours.take());
    client.step().unwrap();
    ours.give(&client.take());
    ours.step().unwrap();
    let ticket = ours.take();
    assert!(!ticket.is_empty());
    for place in 1..ticket.len() {
        client.give(&ticket[place - 1..place]);
        write(&mut client, b"x");
        client.settle();
    }
    client.give(&ticket[ticket.len() - 1..]);
    write(&mut client, b"x");
    ours.give(&client.take());
    assert_eq!(read(&mut ours), vec![b'x'; ticket.len()]);
    write(&mut ours, b"answer");
    client.give(&ours.take());
    assert_eq!(read(&mut client), b"answer");
}

#[test]
fn renegotiation_is_refused_in_old_versions() {
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["a.test"]));
    let mut strange = Strange { versions: vec![&TLS12], ..Strange::new() }.connect(&ca, "a.test");
    let mut ours = Session::accept(&server).unwrap();
    shake(&mut strange, &mut ours).unwrap();
    ours.give(&write_strange(&mut strange, b"up"));
    assert_eq!(read(&mut ours), b"up");
    // In cleartext, which nobody may do any more.
    ours.give(b"\x16\x03\x03\x00\x04\x01\x00\x00\x00");
    assert!(ours.read(&mut [0; 10]).is_err());
}

/// What a handshake said, for changing it: of the client and of the server, in turns.
fn flights(version: &'static rustls::SupportedProtocolVersion) -> (Authority, Vec<Vec<u8>>) {
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["a.test"]));
    let mut strange = Strange { versions: vec![version], ..Strange::new() }.connect(&ca, "a.test");
    let mut ours = Session::accept(&server).unwrap();
    let mut flights = Vec::new();
    for _ in 0..3 {
        flights.push(strange.take());
        ours.give(flights.last().unwrap());
        ours.step().unwrap();
        flights.push(ours.take());
        strange.give(flights.last().unwrap());
        strange.step().unwrap();
    }
    (ca, flights)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_hello_that_was_changed(
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        piece in 1_usize..600,
        is_old: bool,
    ) {
        thread_local! {
            static HELLOS: [(Authority, Vec<Vec<u8>>); 2] = [flights(&TLS12), flights(&TLS13)];
        }
        HELLOS.with(|hellos| {
            let (ca, flights) = &hellos[usize::from(!is_old)];
            let server = server(&ca.issue(&["a.test"]));
            let mut hello = flights[0].clone();
            for (place, byte) in &places {
                let length = hello.len();
                hello[place.index(length)] = *byte;
            }
            hello.truncate(cut.index(hello.len()) + 1);
            let mut ours = Session::accept(&server).unwrap();
            for piece in hello.chunks(piece) {
                ours.give(piece);
                if ours.step().is_err() {
                    break;
                }
            }
            let _ = ours.read(&mut [0; 10]);
            ours.close();
        });
    }

    #[test]
    fn a_servers_answer_that_was_changed(
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        piece in 1_usize..600,
    ) {
        let ca = Authority::new("ca");
        let server = server(&ca.issue(&["a.test"]));
        let (mut one, mut other) =
            (Session::connect(&dial(&client(&ca), "a.test")).unwrap(), Session::accept(&server).unwrap());
        one.step().unwrap();
        other.give(&one.take());
        other.step().unwrap();
        let mut answer = other.take();
        for (place, byte) in &places {
            let length = answer.len();
            answer[place.index(length)] ^= *byte;
        }
        for piece in answer.chunks(piece) {
            one.give(piece);
            if one.step().is_err() {
                break;
            }
        }
        let _ = one.write(&[IoSlice::new(b"x")]);
        other.give(&one.take());
        let _ = other.step();
    }
}
