//! The `Date` field (RFC 9110, section 6.6.1), formatted once a second.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

/// The date of one core.
#[derive(Debug)]
pub(crate) struct Date {
    second: Cell<u64>,
    text: Cell<[u8; 29]>,
}

impl Default for Date {
    fn default() -> Self {
        Date { second: Cell::new(u64::MAX), text: Cell::new([b' '; 29]) }
    }
}

impl Date {
    /// The current date.
    pub(crate) fn text(&self) -> [u8; 29] {
        let now = SystemTime::now();
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.second.replace(second) != second {
            let text = httpdate::fmt_http_date(now);
            if let Ok(text) = text.as_bytes().try_into() {
                self.text.set(text);
            }
        }
        self.text.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_an_imf_fixdate() {
        let text = String::from_utf8(Date::default().text().to_vec()).unwrap();
        assert!(httpdate::parse_http_date(&text).is_ok(), "{text}");
    }
}
