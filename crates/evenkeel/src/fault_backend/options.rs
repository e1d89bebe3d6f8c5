//! The options of a fault, as in `slow?after=3s`: each within bounds.

use std::time::Duration;

use super::fault::Fault;
use super::mistake::Mistake;
use super::quantity;
use crate::likeness::did_you_mean;

/// Longest wait that an option can ask for.
pub(crate) const LONGEST: Duration = Duration::from_secs(600);

/// What an option is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    After,
    Every,
    Bytes,
    Count,
    RetryAfter,
    With,
    Announce,
}

/// How a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Fin,
    Reset,
}

/// Every option of a fault. Which of them mean something, its row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Before the fault or, for `slow`, the answer.
    pub(crate) after: Duration,
    /// Between two bytes.
    pub(crate) every: Duration,
    pub(crate) bytes: usize,
    /// Of responses.
    pub(crate) count: u32,
    /// In seconds.
    pub(crate) retry_after: Option<u32>,
    pub(crate) ending: Ending,
    /// Whether `Keep-Alive` tells how long a connection may be idle.
    pub(crate) announces: bool,
}

impl Key {
    /// As written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Key::After => "after",
            Key::Every => "every",
            Key::Bytes => "bytes",
            Key::Count => "count",
            Key::RetryAfter => "retry_after",
            Key::With => "with",
            Key::Announce => "announce",
        }
    }
}

impl Options {
    /// What holds unless the options say otherwise.
    pub(crate) fn of(fault: Fault) -> Self {
        let after = match fault {
            Fault::Slow => Duration::from_secs(3),
            Fault::IdleClose => Duration::from_secs(1),
            _ => Duration::ZERO,
        };
        Options {
            after,
            every: Duration::from_millis(100),
            bytes: if fault == Fault::HugeHead { 128 * 1024 } else { 30 },
            count: if fault == Fault::CloseAfter { 1 } else { 100 },
            retry_after: None,
            ending: Ending::Fin,
            announces: false,
        }
    }

    /// Takes one `name=value`; `keys` are those that mean something here.
    pub(crate) fn set(&mut self, keys: &[Key], name: &str, value: &str) -> Result<(), Mistake> {
        let Some(key) = keys.iter().find(|key| key.name() == name) else {
            return Err(unknown(keys, name));
        };
        match key {
            Key::After => self.after = quantity::duration(value, LONGEST)?,
            Key::Every => self.every = quantity::duration(value, LONGEST)?,
            Key::Bytes => self.bytes = quantity::whole(value, 1, 1 << 20)? as usize,
            Key::Count => self.count = quantity::whole(value, 1, 10_000)?,
            Key::RetryAfter => self.retry_after = Some(quantity::whole(value, 0, 86_400)?),
            Key::With => self.ending = one_of(value, [("fin", Ending::Fin), ("rst", Ending::Reset)])?,
            Key::Announce => self.announces = one_of(value, [("yes", true), ("no", false)])?,
        }
        Ok(())
    }
}

fn unknown(keys: &[Key], name: &str) -> Mistake {
    let names: Vec<_> = keys.iter().map(|key| key.name()).collect();
    let hint = did_you_mean(name, names.iter().copied());
    match names.as_slice() {
        [] => Mistake(format!("it takes no option `{name}`")),
        names => Mistake(format!("it takes no option `{name}`; {hint}there is {}", names.join(", "))),
    }
}

fn one_of<T: Copy>(value: &str, choices: [(&str, T); 2]) -> Result<T, Mistake> {
    let found = choices.iter().find(|choice| choice.0 == value);
    let [(one, _), (other, _)] = choices;
    found
        .map(|choice| choice.1)
        .ok_or_else(|| Mistake(format!("expected `{one}` or `{other}`, not `{value}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_means_nothing_here_is_refused() {
        let mut options = Options::of(Fault::Slow);
        let error = options.set(&[Key::After], "afer", "1s").unwrap_err().to_string();
        assert!(error.contains("did you mean `after`"), "{error}");
        assert!(options.set(&[], "after", "1s").is_err());
    }

    #[test]
    fn every_option_has_bounds() {
        let keys =
            [Key::After, Key::Every, Key::Bytes, Key::Count, Key::RetryAfter, Key::With, Key::Announce];
        for (name, value) in [
            ("after", "1h"),
            ("every", "3"),
            ("bytes", "2000000"),
            ("count", "0"),
            ("count", "99999"),
            ("retry_after", "-1"),
            ("with", "syn"),
            ("announce", "maybe"),
        ] {
            assert!(Options::of(Fault::Close).set(&keys, name, value).is_err(), "{name}={value}");
        }
    }
}
