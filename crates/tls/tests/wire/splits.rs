//! Handshakes whose bytes arrive in pieces of any size.

use evenkeel_tls::{Server, Session};
use proptest::prelude::*;
use rustls::version::{TLS12, TLS13};

use crate::authority::{Authority, client, client_auth, client_parts, dial, server, server_parts};
use crate::ends::{End as _, Strange, read, shake_in, write};

/// A strange client's messages, which are spread over several records.
fn spread(
    ca: &Authority,
    version: &'static rustls::SupportedProtocolVersion,
    most: usize,
) -> rustls::ClientConnection {
    let mut config = Strange { versions: vec![version], ..Strange::new() }.config(ca);
    config.max_fragment_size = Some(most);
    crate::ends::connect(&config.into(), "a.test")
}

#[test]
fn byte_by_byte() {
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["a.test"]));
    let dial = dial(&client(&ca), "a.test");
    for expected in [false, true] {
        let (mut one, mut other) = (Session::connect(&dial).unwrap(), Session::accept(&server).unwrap());
        shake_in(&mut one, &mut other, &mut |_| 1).unwrap();
        assert_eq!(read(&mut one), b"");
        assert_eq!(other.is_resumed(), expected);
    }
    for version in [&TLS12, &TLS13] {
        let mut other = Session::accept(&server).unwrap();
        shake_in(&mut spread(&ca, version, 32), &mut other, &mut |_| 1).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn in_pieces_of_any_size(
        pieces in proptest::collection::vec(1_usize..2000, 1..20),
        most in 32_usize..300,
        has_certificate: bool,
    ) {
        let (ca, clients) = (Authority::new("ca"), Authority::new("clients"));
        let mut parts = server_parts(vec![ca.issue(&["a.test"])]);
        let mut ours = client_parts(&ca);
        if has_certificate {
            parts.client = Some(client_auth(&clients));
            ours.identity = Some(clients.issue(&["me.test"]));
        }
        let server = Server::new(parts).unwrap();
        let dial = dial(&evenkeel_tls::Client::new(ours).unwrap(), "a.test");
        let (mut one, mut other) = (Session::connect(&dial).unwrap(), Session::accept(&server).unwrap());
        let mut sizes = pieces.iter().copied().cycle();
        shake_in(&mut one, &mut other, &mut |_| sizes.next().unwrap()).unwrap();
        // Tickets come in pieces, too, between what is written.
        let mut expected = Vec::new();
        let mut got = Vec::new();
        for _ in 0..5 {
            write(&mut other, b"down");
            for piece in other.take().chunks(sizes.next().unwrap()) {
                one.give(piece);
                write(&mut one, b"up");
                expected.extend_from_slice(b"up");
            }
            prop_assert_eq!(read(&mut one), b"down");
            for piece in one.take().chunks(sizes.next().unwrap()) {
                other.give(piece);
                other.settle();
                got.extend(read(&mut other));
            }
        }
        prop_assert_eq!(got, expected);
        if !has_certificate {
            for version in [&TLS12, &TLS13] {
                let mut other = Session::accept(&server).unwrap();
                shake_in(&mut spread(&ca, version, most), &mut other, &mut |_| sizes.next().unwrap()).unwrap();
            }
        }
    }
}
