//! The failure table as a matrix: each row that HTTP/1.1 can show on loopback, for each kind of request, with one bad
//! backend of three and with all bad, on a fresh connection and on a reused one, in cleartext and with TLS on both sides.
//!
//! `rows` is the table, `tls_rows` what TLS adds to it, `row` says what its columns mean, `expected` what follows from a row for one cell, `judge` compares it with what was seen.

mod acts;
mod bad;
mod cells;
mod client;
mod expected;
mod fakes;
mod judge;
mod lines;
mod row;
mod rows;
mod stage;
mod tls_rows;

use std::collections::VecDeque;
use std::sync::Mutex;

use self::lines::Lines;
use self::row::Row;
use crate::turns::heavy;

/// Rows at once: most of their time they wait for a clock to run out.
const AT_ONCE: usize = 4;

#[test]
fn every_row_of_the_failure_table_is_as_it_says() {
    play(rows::table().into_iter().map(|row| (row, Lines::Cleartext)).collect());
}

#[test]
fn every_row_is_as_it_says_over_tls() {
    play(tls_rows::plays());
}

fn play(plays: Vec<(Row, Lines)>) {
    let _turn = heavy();
    let plays = Mutex::new(VecDeque::from(plays));
    let complaints = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = plays.lock().unwrap().pop_front();
                    let Some((row, lines)) = next else { return };
                    let found = stage::run(&row, lines);
                    complaints.lock().unwrap().extend(found);
                }
            });
        }
    });
    let complaints = complaints.into_inner().unwrap();
    assert!(
        complaints.is_empty(),
        "{} cells are not as the table says:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}
