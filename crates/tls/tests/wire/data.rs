//! Plaintext through both ends: much of it, its end, and new keys on the way.

use std::io::IoSlice;

use evenkeel_tls::{Error, Read, Session, Step};
use rustls::version::{TLS12, TLS13};

use crate::authority::{Authority, client, dial, server};
use crate::ends::{End as _, Strange, join, read, read_strange, shake, write, write_strange};

fn pair() -> (Session, Session) {
    let ca = Authority::new("ca");
    join(&dial(&client(&ca), "a.test"), &server(&ca.issue(&["a.test"])))
}

fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|place| (place * 31 % 251) as u8).collect()
}

/// Writes all, and carries it piece by piece.
fn send(from: &mut Session, to: &mut Session, bytes: &[u8], piece: usize) -> Vec<u8> {
    let mut got = Vec::new();
    let mut left = bytes;
    while !left.is_empty() {
        let count = from.write(&[IoSlice::new(left)]).unwrap();
        left = &left[count..];
        for mut part in from.take().chunks(piece) {
            while !part.is_empty() {
                let count = to.room().len().min(part.len());
                to.give(&part[..count]);
                part = &part[count..];
                got.extend(read(to));
                to.settle();
            }
        }
    }
    got
}

#[test]
fn much_goes_through_both_ways_in_pieces_of_any_size() {
    let (mut one, mut other) = pair();
    for piece in [1, 2, 7, 1000, 16_401, 16_406, 65_536] {
        let bytes = pattern(if piece < 10 { 40_000 } else { 1_000_000 });
        assert!(send(&mut one, &mut other, &bytes, piece) == bytes, "{piece}");
        assert!(send(&mut other, &mut one, &bytes, piece) == bytes, "{piece}");
    }
    assert!(one.unread().is_empty() && other.unread().is_empty());
}

#[test]
fn parts_are_gathered_into_few_records() {
    let (mut one, mut other) = pair();
    for lengths in [
        vec![],
        vec![0],
        vec![1],
        vec![100, 0, 16_384],
        vec![16_384, 16_384],
        vec![16_383, 2, 16_384],
        vec![10; 40],
        vec![70_000],
        vec![16_385, 49_151],
        vec![16_385, 49_152],
        vec![65_535, 1, 1],
    ] {
        let bytes: Vec<Vec<u8>> = lengths.iter().map(|count| pattern(*count)).collect();
        let parts: Vec<_> = bytes.iter().map(|bytes| IoSlice::new(bytes)).collect();
        let whole = bytes.concat();
        let count = one.write(&parts).unwrap();
        assert_eq!(count, whole.len().min(65_536));
        let records = one.take();
        assert!(
            records.len() <= count + count.div_ceil(16_384).max(1) * 2 * 22,
            "{lengths:?}: {}",
            records.len()
        );
        let mut got = Vec::new();
        for part in records.chunks(50_000) {
            other.give(part);
            got.extend(read(&mut other));
        }
        assert!(got == whole[..count], "{lengths:?}");
    }
}

#[test]
fn a_reader_with_little_room_gets_all() {
    let (mut one, mut other) = pair();
    let bytes = pattern(50_000);
    write(&mut one, &bytes);
    other.give(&one.take());
    let mut got = Vec::new();
    for count in [1, 10, 3, 16_384, 5, 16_385].into_iter().cycle() {
        match other.read(&mut vec![0; count]).unwrap() {
            Read::Bytes(0) => panic!("nothing is no answer"),
            Read::Bytes(_) => {}
            Read::NeedsMore => break,
            Read::Ended => panic!("nobody has ended it"),
        }
        got.push(count);
    }
    let mut room = vec![0; 100];
    write(&mut one, b"more");
    other.give(&one.take());
    assert_eq!(other.read(&mut room).unwrap(), Read::Bytes(4));
    assert_eq!(other.read(&mut room).unwrap(), Read::NeedsMore);
}

#[test]
fn an_end_is_said_and_an_end_that_is_not_said_is_none() {
    let (mut one, mut other) = pair();
    write(&mut one, b"last");
    one.close();
    one.close();
    other.give(&one.take());
    let mut room = [0; 100];
    assert_eq!(other.read(&mut room).unwrap(), Read::Bytes(4));
    assert_eq!(other.read(&mut room).unwrap(), Read::Ended);
    assert_eq!(other.read(&mut room).unwrap(), Read::Ended);
    // The other direction is still open.
    write(&mut other, b"answer");
    other.close();
    one.give(&other.take());
    assert_eq!(one.read(&mut room).unwrap(), Read::Bytes(6));
    assert_eq!(one.read(&mut room).unwrap(), Read::Ended);
    assert_eq!(one.step().map(|_| ()), Ok(()));
    assert!(one.write(&[IoSlice::new(b"late")]).is_err());

    let (mut one, mut other) = pair();
    write(&mut one, b"cut off");
    let bytes = one.take();
    other.give(&bytes[..bytes.len() - 1]);
    assert_eq!(other.read(&mut room).unwrap(), Read::NeedsMore);
}

#[test]
fn an_end_that_comes_with_the_last_message_of_the_handshake_is_seen() {
    let ca = Authority::new("ca");
    let mut one = Session::connect(&dial(&client(&ca), "a.test")).unwrap();
    let mut other = Session::accept(&server(&ca.issue(&["a.test"]))).unwrap();
    assert_eq!(one.step(), Ok(Step::Blocked));
    other.give(&one.take());
    assert_eq!(other.step(), Ok(Step::Blocked));
    one.give(&other.take());
    assert_eq!(one.step(), Ok(Step::Done));
    write(&mut one, b"request");
    one.close();
    other.give(&one.take());
    assert_eq!(other.step(), Ok(Step::Done));
    assert!(!other.take().is_empty(), "a ticket stands before everything else");
    let mut room = [0; 100];
    assert_eq!(other.read(&mut room).unwrap(), Read::Bytes(7));
    assert_eq!(other.read(&mut room).unwrap(), Read::Ended);
}

#[test]
fn what_comes_behind_the_end_is_nothing() {
    let (mut one, mut other) = pair();
    one.close();
    other.give(&one.take());
    other.give(b"\x17\x03\x03\x00\x10garbage garbage!");
    assert_eq!(other.read(&mut [0; 100]).unwrap(), Read::Ended);
    write(&mut other, b"answer");
    one.give(&other.take());
    assert_eq!(read(&mut one), b"answer");
}

#[test]
fn keys_change_while_bytes_flow() {
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["a.test"]));
    let mut strange = Strange { versions: vec![&TLS13], ..Strange::new() }.connect(&ca, "a.test");
    let mut ours = Session::accept(&server).unwrap();
    shake(&mut strange, &mut ours).unwrap();
    for round in 0..5_u8 {
        strange.refresh_traffic_keys().unwrap();
        let bytes = write_strange(&mut strange, &[round; 100]);
        for part in bytes.chunks(usize::from(round) * 7 + 1) {
            ours.give(part);
            if round % 2 == 0 {
                // A write in the midst of it takes in what has come.
                write(&mut ours, b"x");
            }
        }
        assert_eq!(read(&mut ours), [round; 100]);
        write(&mut ours, b"answer");
        strange.give(&ours.take());
        assert!(read_strange(&mut strange).ends_with(b"answer"));
    }
}

#[test]
fn old_versions_carry_bytes_as_well() {
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["a.test"]));
    let mut strange = Strange { versions: vec![&TLS12], ..Strange::new() }.connect(&ca, "a.test");
    let mut ours = Session::accept(&server).unwrap();
    shake(&mut strange, &mut ours).unwrap();
    let bytes = pattern(50_000);
    ours.give(&write_strange(&mut strange, &bytes));
    assert!(read(&mut ours) == bytes);
    let mut got = Vec::new();
    write(&mut ours, &bytes);
    for part in ours.take().chunks(1000) {
        strange.give(part);
        got.extend(read_strange(&mut strange));
    }
    assert!(got == bytes);
    strange.send_close_notify();
    ours.give(&strange.take());
    assert_eq!(ours.read(&mut [0; 10]).unwrap(), Read::Ended);
}

#[test]
fn nothing_is_written_before_a_handshake_is_done() {
    let ca = Authority::new("ca");
    let mut ours = Session::accept(&server(&ca.issue(&["a.test"]))).unwrap();
    assert_eq!(ours.write(&[IoSlice::new(b"early")]), Err(Error::HandshakeNotComplete));
    ours.close();
    assert!(ours.outgoing().is_empty());
    assert_eq!(ours.read(&mut [0; 10]).unwrap(), Read::NeedsMore);
}
