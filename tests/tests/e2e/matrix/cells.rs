//! The cells of a row: which request, how many bad backends, on what kind of connection.

use std::fmt;

/// What kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Get,
    /// Its body is kept, and can be sent again.
    SmallPut,
    /// Its body is larger than what is kept.
    LargePut,
    Post,
}

/// How many of the pool's three backends are bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    One,
    All,
}

/// What the request finds at the bad backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Fresh,
    Reused,
}

/// One cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) kind: Kind,
    pub(super) bad: Bad,
    pub(super) wire: Wire,
}

impl Kind {
    pub(super) const ALL: &[Kind] = &[Kind::Get, Kind::SmallPut, Kind::LargePut, Kind::Post];

    pub(super) fn method(self) -> &'static str {
        match self {
            Kind::Get => "GET",
            Kind::SmallPut | Kind::LargePut => "PUT",
            Kind::Post => "POST",
        }
    }

    /// Idempotent, and its body, if it has one, is kept.
    pub(super) fn is_repeatable(self) -> bool {
        matches!(self, Kind::Get | Kind::SmallPut)
    }
}

impl Bad {
    pub(super) const BOTH: &[Bad] = &[Bad::One, Bad::All];
}

impl Wire {
    pub(super) const BOTH: &[Wire] = &[Wire::Fresh, Wire::Reused];
}

impl Cell {
    /// The name of its pool, and the first segment of its paths.
    pub(super) fn pool(self) -> String {
        let kind = match self.kind {
            Kind::Get => "get",
            Kind::SmallPut => "small-put",
            Kind::LargePut => "large-put",
            Kind::Post => "post",
        };
        let bad = if self.bad == Bad::One { "one" } else { "all" };
        let wire = if self.wire == Wire::Fresh { "fresh" } else { "reused" };
        format!("{kind}-{bad}-{wire}")
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Get => "GET",
            Kind::SmallPut => "PUT",
            Kind::LargePut => "large PUT",
            Kind::Post => "POST",
        };
        let bad = if self.bad == Bad::One { "one bad of three" } else { "all bad" };
        let wire = if self.wire == Wire::Fresh { "a fresh connection" } else { "a reused connection" };
        write!(out, "{kind}, {bad}, {wire}")
    }
}
