//! What a request's path asks for: an answer, one fault, or another order from now on.

use super::behaviour::Behaviour;
use super::fault::Level;
use super::mistake::Mistake;
use super::orders::Order;

/// What a path asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Ask {
    /// Whatever the backend does by itself.
    Whatever,
    /// This fault for this request; none: a good answer.
    Fault(Option<Behaviour>),
    /// This from now on.
    Order(Order),
    /// What holds now.
    Report,
    /// Nothing that there is.
    Mistaken(Mistake),
}

impl Ask {
    /// Reads a path with its query.
    pub(crate) fn of(path: &[u8]) -> Ask {
        let Ok(path) = str::from_utf8(path) else { return Ask::Whatever };
        if let Some(name) = path.strip_prefix("/fault/") {
            return fault(name).unwrap_or_else(Ask::Mistaken);
        }
        match path.strip_prefix("/control") {
            Some("" | "/") => Ask::Report,
            Some(name) if name.starts_with('/') => {
                Order::parse(&name[1..]).map_or_else(Ask::Mistaken, Ask::Order)
            }
            Some(_) | None => Ask::Whatever,
        }
    }
}

fn fault(name: &str) -> Result<Ask, Mistake> {
    let behaviour = Behaviour::parse(name)?;
    match behaviour {
        Some(behaviour) if behaviour.level() != Level::Request => Err(Mistake(format!(
            "`{behaviour}` is not about one request; `/control/{behaviour}?for=5s` makes it so for a while"
        ))),
        behaviour => Ok(Ask::Fault(behaviour)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_what_they_ask_for() {
        assert_eq!(Ask::of(b"/"), Ask::Whatever);
        assert_eq!(Ask::of(b"/faults"), Ask::Whatever);
        assert_eq!(Ask::of(b"/controlled"), Ask::Whatever);
        assert_eq!(Ask::of(b"/\xff"), Ask::Whatever);
        assert_eq!(Ask::of(b"/control"), Ask::Report);
        assert_eq!(Ask::of(b"/fault/ok"), Ask::Fault(None));
        assert!(matches!(Ask::of(b"/fault/slow?after=1s"), Ask::Fault(Some(_))));
        assert!(matches!(Ask::of(b"/control/refuse?for=5s"), Ask::Order(_)));
        assert!(matches!(Ask::of(b"/control/status/503?retry_after=2"), Ask::Order(_)));
    }

    #[test]
    fn a_mistake_is_told() {
        for (path, wanted) in [
            ("/fault/", "no fault"),
            ("/fault/hagn", "did you mean `hang`?"),
            ("/fault/refuse", "`/control/refuse?for=5s`"),
            ("/control/hang?for=x", "no duration"),
        ] {
            let Ask::Mistaken(mistake) = Ask::of(path.as_bytes()) else { panic!("{path}") };
            assert!(mistake.to_string().contains(wanted), "{mistake}");
        }
    }
}
