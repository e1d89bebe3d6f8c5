//! The failure table as a matrix: each row that cleartext HTTP/1.1 can show on loopback, for each kind of request, with one bad
//! backend of three and with all bad, on a fresh connection and on a reused one.
//!
//! `rows` is the table, `row` says what its columns mean, `expected` what follows from a row for one cell, `judge` compares it with what was seen.

mod acts;
mod bad;
mod cells;
mod client;
mod expected;
mod judge;
mod row;
mod rows;
mod stage;

use std::collections::VecDeque;
use std::sync::Mutex;

use crate::alone::alone;

/// Rows at once: most of their time they wait for a clock to run out.
const AT_ONCE: usize = 4;

#[test]
fn every_row_of_the_failure_table_is_as_it_says() {
    let _turn = alone();
    let rows = Mutex::new(VecDeque::from(rows::table()));
    let complaints = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = rows.lock().unwrap().pop_front();
                    let Some(row) = next else { return };
                    let found = stage::run(&row);
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
