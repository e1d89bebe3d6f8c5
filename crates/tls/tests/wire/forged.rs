//! Records behind a handshake that no client sends, encrypted as if it did. Nothing here may panic.

use std::io::IoSlice;

use evenkeel_tls::{Error, Read, Session};
use proptest::prelude::*;
use rustls::ContentType as Kind;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::cipher::{MessageEncrypter, OutboundPlainMessage};
use rustls::internal::msgs::codec::Codec as _;

use crate::authority::{Authority, server};
use crate::ends::{End as _, Strange, connect, shake, write};

/// A client's own encrypted records of any kind, behind a handshake.
struct Forger {
    encrypter: Box<dyn MessageEncrypter>,
    sequence: u64,
}

impl Forger {
    /// After a handshake whose secrets were kept.
    fn new(client: rustls::ClientConnection) -> Self {
        let secrets = client.dangerous_extract_secrets().unwrap();
        let (sequence, secrets) = secrets.tx;
        let rustls::ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else {
            panic!("another cipher")
        };
        let suite = TLS13_AES_128_GCM_SHA256.tls13().unwrap();
        Forger { encrypter: suite.aead_alg.encrypter(key, iv), sequence }
    }

    fn record(&mut self, kind: Kind, bytes: &[u8]) -> Vec<u8> {
        let message = OutboundPlainMessage {
            typ: kind,
            version: rustls::ProtocolVersion::TLSv1_2,
            payload: bytes.into(),
        };
        let record = self.encrypter.encrypt(message, self.sequence).unwrap();
        self.sequence += 1;
        record.encode()
    }
}

fn forge() -> (Session, Forger) {
    let ca = Authority::new("ca");
    let mut strange = Strange::new();
    strange.provider.cipher_suites = vec![TLS13_AES_128_GCM_SHA256];
    let mut config = strange.config(&ca);
    config.enable_secret_extraction = true;
    let mut client = connect(&config.into(), "a.test");
    let mut ours = Session::accept(&server(&ca.issue(&["a.test"]))).unwrap();
    shake(&mut client, &mut ours).unwrap();
    (ours, Forger::new(client))
}

#[test]
fn fragments_of_a_message_behind_the_handshake_while_we_write() {
    let (mut ours, mut forger) = forge();
    // A key update in five pieces, each in a record of its own, each record in two pieces.
    for piece in [&[24][..], &[0], &[0], &[1], &[0]] {
        let record = forger.record(Kind::Handshake, piece);
        let (first, second) = record.split_at(record.len() / 2);
        ours.give(first);
        write(&mut ours, b"down");
        ours.give(second);
        write(&mut ours, b"down");
        ours.settle();
        assert_eq!(ours.read(&mut [0; 100]).unwrap(), Read::NeedsMore);
    }
    assert!(ours.unread().is_empty(), "the message was taken in whole");
}

#[test]
fn messages_that_nobody_sends_behind_a_handshake() {
    for (kind, bytes) in [
        (Kind::Handshake, &[1, 0, 0, 2, 3, 3][..]),
        (Kind::Handshake, &[4, 0, 0, 1, 0]),
        (Kind::Handshake, &[20, 0, 0, 0]),
        (Kind::Handshake, &[24, 0, 0, 1, 9]),
        (Kind::Handshake, &[24, 0, 0, 2, 0, 0]),
        (Kind::Handshake, &[24, 0, 0, 1, 0, 24]),
        (Kind::Handshake, &[24, 0xff, 0xff, 0xff]),
        (Kind::Handshake, &[]),
        (Kind::Alert, &[]),
        (Kind::Alert, &[1]),
        (Kind::Alert, &[9, 9]),
        (Kind::Alert, &[1, 0, 1, 0]),
        (Kind::Alert, &[2, 80]),
        (Kind::ChangeCipherSpec, &[1]),
        (Kind::Heartbeat, &[1]),
        (Kind::Unknown(99), &[1]),
        (Kind::ApplicationData, &[]),
    ] {
        for writes_between in [false, true] {
            let (mut ours, mut forger) = forge();
            let mut bytes = forger.record(kind, bytes);
            bytes.extend(forger.record(Kind::ApplicationData, b"behind"));
            for piece in bytes.chunks(9) {
                ours.give(piece);
                if writes_between {
                    let _ = ours.write(&[IoSlice::new(b"down")]);
                }
            }
            let _ = ours.read(&mut [0; 100]);
            let _ = ours.write(&[IoSlice::new(b"down")]);
            let _ = ours.read(&mut [0; 100]);
            ours.close();
            let _ = ours.read(&mut [0; 100]);
        }
    }
}

#[test]
fn many_key_updates_at_once() {
    let (mut ours, mut forger) = forge();
    // Only the first can be decrypted, for its keys were the last that are known here.
    let update = forger.record(Kind::Handshake, &[24, 0, 0, 1, 1]);
    let more = forger.record(Kind::Handshake, &[24, 0, 0, 1, 1]);
    ours.give(&update);
    ours.give(&more);
    assert_eq!(ours.read(&mut [0; 100]).unwrap_err(), Error::DecryptError);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn records_of_any_kind_behind_a_handshake(
        records in proptest::collection::vec((20_u8..26, proptest::collection::vec(any::<u8>(), 0..40)), 1..12),
        piece in 1_usize..100,
        writes: bool,
    ) {
        let (mut ours, mut forger) = forge();
        let bytes: Vec<u8> = records
            .iter()
            .flat_map(|(kind, bytes)| forger.record(Kind::read_bytes(&[*kind]).unwrap(), bytes))
            .collect();
        for piece in bytes.chunks(piece) {
            ours.give(piece);
            if writes {
                let _ = ours.write(&[IoSlice::new(b"x")]);
            }
            let _ = ours.read(&mut [0; 7]);
            ours.settle();
        }
        ours.close();
    }
}
