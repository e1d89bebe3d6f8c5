//! Counters that cost a plain load and store: one per core, one writer each, summed by the reader.

use std::ops::Index;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

/// A counter with one writer and any number of readers.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds without a locked instruction. Only the core that owns the cell may call it.
    #[inline]
    pub fn add(&self, amount: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(amount), Relaxed);
    }

    /// Subtracts, for a gauge. Only the core that owns the cell may call it.
    #[inline]
    pub fn subtract(&self, amount: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(amount), Relaxed);
    }

    /// The value as last stored.
    #[inline]
    pub fn read(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One value per worker, each on cache lines of its own.
#[derive(Debug)]
pub struct PerCore<T>(Box<[CachePadded<T>]>);

impl<T: Default> PerCore<T> {
    /// As many cells as there are workers.
    pub fn new(workers: usize) -> Self {
        PerCore((0..workers).map(|_| CachePadded::default()).collect())
    }
}

impl<T> PerCore<T> {
    /// Every cell, in worker order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|cell| &**cell)
    }

    /// The sum of one quantity over the cells.
    pub fn sum(&self, of: impl Fn(&T) -> u64) -> u64 {
        self.iter().map(of).fold(0, u64::wrapping_add)
    }
}

impl<T> Index<usize> for PerCore<T> {
    type Output = T;

    #[inline]
    fn index(&self, core: usize) -> &T {
        &self.0[core]
    }
}
