//! Backends that a name's answers have left out for the moment: an answer is seldom whole, and who comes back is no
//! stranger. What an operator said of them, and their health, goes on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use evenkeel_model::Address;

use crate::entry::Entry;
use crate::probing::Probing;

/// How long they are remembered.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Most of them in a pool.
const MOST: usize = 1024;

/// Who left, and when.
#[derive(Debug, Default)]
pub(crate) struct Departed(BTreeMap<Address, (Entry, Instant)>);

impl Departed {
    /// Remembers who leaves, and forgets who left long ago.
    pub(crate) fn keep(&mut self, leaving: impl Iterator<Item = Entry>, now: Instant) {
        self.0.retain(|_, (_, at)| now.saturating_duration_since(*at) < REMEMBERED);
        for mut entry in leaving.take(MOST.saturating_sub(self.0.len())) {
            entry.probing = Probing::default();
            // Whatever is on its way there says nothing about its next stay.
            entry.backend.begin_term();
            self.0.insert(entry.backend.id.address.clone(), (entry, now));
        }
    }

    /// Who comes back.
    pub(crate) fn take(&mut self, address: &Address, now: Instant) -> Option<Entry> {
        let (mut entry, at) = self.0.remove(address)?;
        if now.saturating_duration_since(at) >= REMEMBERED {
            return None;
        }
        entry.due = None;
        entry.resume(now);
        Some(entry)
    }
}
