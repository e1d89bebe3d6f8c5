//! Control in simulation: random lives of backends, reloads and jumps of the clock, under requests that pick and
//! record as the workers do. One number makes one story; a failure prints it.
//!
//! `EVENKEEL_SEED=17 cargo test -p evenkeel-control --test simulation` tells one story again.

#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod chance;
mod scenery;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use world::World;

/// About half a minute on two cores.
const STORIES: u64 = 4000;

#[test]
fn whatever_happens_nobody_is_forgotten_and_nobody_is_sent_where_he_should_not_go() {
    if let Ok(seed) = std::env::var("EVENKEEL_SEED") {
        return World::new(seed.parse().unwrap()).live();
    }
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(seed) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < STORIES)
                {
                    let story = catch_unwind(AssertUnwindSafe(|| World::new(seed).live()));
                    assert!(story.is_ok(), "the story of EVENKEEL_SEED={seed} went wrong, as said above");
                }
            });
        }
    });
}
