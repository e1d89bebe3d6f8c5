//! A fault with its options, in the one spelling that paths, flags and schedules share: `slow?after=3s`.

use std::fmt;

use super::fault::{Fault, Level, Row};
use super::mistake::Mistake;
use super::options::Options;
use super::table::TABLE;
use crate::likeness::did_you_mean;

/// A fault that is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behaviour {
    pub(crate) row: &'static Row,
    /// Of `status/NNN`; otherwise of no meaning.
    pub(crate) status: u16,
    pub(crate) options: Options,
}

/// A fault as written: its name and its options, none of them checked.
#[derive(Debug)]
pub(crate) struct Spelled<'a> {
    pub(crate) name: &'a str,
    pub(crate) options: Vec<(&'a str, &'a str)>,
}

/// The name of no fault at all.
pub(crate) const OK: &str = "ok";

impl<'a> Spelled<'a> {
    /// Splits `NAME?key=value&key=value`.
    pub(crate) fn split(text: &'a str) -> Self {
        let (name, query) = text.split_once('?').unwrap_or((text, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Spelled { name, options: pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect() }
    }

    /// The fault of this name with these options; none for `ok`.
    pub(crate) fn read(&self) -> Result<Option<Behaviour>, Mistake> {
        if self.name == OK {
            return match self.options.first() {
                None => Ok(None),
                Some((key, _)) => Err(Mistake(format!("`{OK}` takes no option `{key}`"))),
            };
        }
        let (row, status) = find(self.name)?;
        let mut options = Options::of(row.fault);
        for (key, value) in &self.options {
            let set = options.set(row.keys, key, value);
            set.map_err(|mistake| Mistake(format!("`{}`: {mistake}", self.name)))?;
        }
        Ok(Some(Behaviour { row, status, options }))
    }
}

impl Behaviour {
    /// Reads `NAME?key=value`; none for `ok`.
    pub(crate) fn parse(text: &str) -> Result<Option<Behaviour>, Mistake> {
        Spelled::split(text).read()
    }

    pub(crate) fn fault(&self) -> Fault {
        self.row.fault
    }

    pub(crate) fn level(&self) -> Level {
        self.row.level
    }
}

impl PartialEq for Behaviour {
    fn eq(&self, other: &Self) -> bool {
        let parts = |one: &Self| (one.fault(), one.status, one.options);
        parts(self) == parts(other)
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault() {
            Fault::Status => write!(out, "status/{}", self.status),
            _ => out.write_str(self.row.name),
        }
    }
}

/// The row of this name, and the status if it is one.
fn find(name: &str) -> Result<(&'static Row, u16), Mistake> {
    if let Some(status) = name.strip_prefix("status/") {
        let number = status.parse().ok().filter(|status| (200..600).contains(status));
        let number = number.ok_or_else(|| Mistake(format!("`{status}` is no status from 200 to 599")))?;
        let exact = TABLE.iter().find(|row| row.name == name);
        let row = exact.or_else(|| TABLE.iter().find(|row| row.fault == Fault::Status));
        return Ok((row.expect("the table has `status`"), number));
    }
    let row = TABLE.iter().find(|row| row.name == name);
    row.map(|row| (row, 0)).ok_or_else(|| {
        let hint = did_you_mean(name, TABLE.iter().map(|row| row.name).chain([OK]));
        let name = name.escape_debug();
        Mistake(format!("there is no fault `{name}`; {hint}`evenkeel fault-backend --list` has them all"))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_fault_of_the_table_is_found_by_its_name() {
        for row in TABLE {
            let behaviour = Behaviour::parse(row.name).unwrap().unwrap();
            assert_eq!((behaviour.fault(), behaviour.to_string().as_str()), (row.fault, row.name));
        }
        assert_eq!(Behaviour::parse("ok"), Ok(None));
    }

    #[test]
    fn options_follow_a_question_mark() {
        let slow = Behaviour::parse("slow?after=1500ms").unwrap().unwrap();
        assert_eq!(slow.options.after, Duration::from_millis(1500));
        let unavailable = Behaviour::parse("status/429?retry_after=2").unwrap().unwrap();
        assert_eq!((unavailable.status, unavailable.options.retry_after), (429, Some(2)));
    }

    #[test]
    fn a_mistake_says_what_was_meant() {
        for (text, wanted) in [
            ("hagn", "did you mean `hang`?"),
            ("closed", "did you mean `close`?"),
            ("xyz", "--list"),
            ("status/99", "200 to 599"),
            ("status/", "200 to 599"),
            ("slow?before=1s", "there is after"),
            ("slow?after", "no duration"),
            ("hang?after=1s", "no option `after`"),
            ("ok?after=1s", "no option `after`"),
            ("", "--list"),
        ] {
            let mistake = Behaviour::parse(text).unwrap_err().to_string();
            assert!(mistake.contains(wanted), "{text}: {mistake}");
        }
    }
}
