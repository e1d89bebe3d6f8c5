//! When it is worth tokenising a head that arrives in pieces.
//!
//! The common head comes in one read and is tokenised at once. A head that comes byte by byte must not be tokenised
//! at every byte: that would cost the square of its length. So the end is looked for in the new bytes only, and the
//! tokeniser runs when it is in sight, and when the head has doubled, so that nonsense is still refused early.

use memchr::memchr_iter;

/// How far earlier calls have looked.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Search {
    searched: usize,
    tried_at: usize,
    has_line: bool,
    has_bare_line_feed: bool,
}

/// What the new bytes have shown.
#[derive(Clone, Copy, Default)]
struct News {
    first_line: bool,
    empty_line: bool,
}

impl Search {
    /// Whether tokenising `window` can say more than the last time. It is full when it cannot grow any more; no
    /// good first line reaches `line_bytes`.
    #[inline]
    pub(crate) fn is_due(&mut self, window: &[u8], full: bool, line_bytes: usize) -> bool {
        if self.tried_at == 0 || window.len() < self.searched {
            *self = Self { tried_at: window.len(), ..Self::default() };
            return true;
        }
        let news = self.read(window);
        let due = full
            || news.first_line
            || self.has_bare_line_feed
            || news.empty_line
            || window.len() >= self.tried_at.saturating_mul(2)
            || (!self.has_line && window.len() > line_bytes);
        if due {
            self.tried_at = window.len();
        }
        due
    }

    /// Whether a bare LF stands anywhere in the window. For a head that the tokeniser finds incomplete.
    pub(crate) fn finds_bare_line_feed(&mut self, window: &[u8]) -> bool {
        self.read(window);
        self.has_bare_line_feed
    }

    fn read(&mut self, window: &[u8]) -> News {
        let mut news = News::default();
        let from = self.searched;
        for at in memchr_iter(b'\n', &window[from..]).map(|offset| from + offset) {
            // An empty line before the first one ends at 1.
            if at > 1 && !self.has_line {
                self.has_line = true;
                news.first_line = true;
            }
            self.has_bare_line_feed |= at == 0 || window[at - 1] != b'\r';
            news.empty_line |= at >= 2 && window[at - 2] == b'\n';
        }
        self.searched = window.len();
        news
    }
}

/// The end of the first line that a bare LF ends.
#[cold]
pub(crate) fn first_bare_line_feed(window: &[u8]) -> Option<usize> {
    memchr_iter(b'\n', window).find(|at| *at == 0 || window[at - 1] != b'\r').map(|at| at + 1)
}
