//! What holds for a backend now: what was ordered last, while it lasts, else what the schedule says.

use std::time::{Duration, Instant};

use super::behaviour::Spelled;
use super::mistake::Mistake;
use super::quantity::{self, Rate};
use super::schedule::{Schedule, Standing};

/// Longest that an order can be given for.
const LONGEST_ORDER: Duration = Duration::from_secs(24 * 3600);

/// How long an order holds that no request could end, since none gets through.
const UNREACHABLE_FOR: Duration = Duration::from_secs(10);

/// The orders of one backend.
#[derive(Debug)]
pub(crate) struct Orders {
    schedule: Schedule,
    began: Instant,
    latest: Option<(Standing, Option<Instant>)>,
}

/// What somebody wants from now on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) standing: Standing,
    /// None: until the next order.
    pub(crate) lasts: Option<Duration>,
}

impl Orders {
    /// The schedule begins `now`.
    pub(crate) fn new(schedule: Schedule, now: Instant) -> Self {
        Orders { schedule, began: now, latest: None }
    }

    /// Takes an order.
    pub(crate) fn take(&mut self, order: Order, now: Instant) {
        self.latest = Some((order.standing, order.lasts.map(|lasts| now + lasts)));
    }

    /// What holds at `now`, and when that may change.
    pub(crate) fn at(&mut self, now: Instant) -> (Standing, Option<Instant>) {
        match self.latest {
            Some((standing, until)) if until.is_none_or(|until| until > now) => (standing, until),
            Some(_) | None => {
                self.latest = None;
                let (standing, lasts) = self.schedule.at(now.saturating_duration_since(self.began));
                (standing, lasts.map(|lasts| now + lasts))
            }
        }
    }
}

impl Order {
    /// Reads `hang?for=5s&rate=10%`.
    pub(crate) fn parse(text: &str) -> Result<Order, Mistake> {
        let mut spelled = Spelled::split(text);
        let (mut rate, mut lasts) = (Rate::ALL, None);
        for (key, value) in &spelled.options {
            match *key {
                "for" => lasts = Some(quantity::duration(value, LONGEST_ORDER)?),
                "rate" => rate = Rate::parse(value)?,
                _ => {}
            }
        }
        spelled.options.retain(|(key, _)| !matches!(*key, "for" | "rate"));
        let standing = Standing::new(spelled.read()?, rate)?;
        let is_unreachable = standing.ends_idle_connections();
        Ok(Order { standing, lasts: lasts.or(is_unreachable.then_some(UNREACHABLE_FOR)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn names(orders: &mut Orders, at: Instant) -> String {
        orders.at(at).0.to_string()
    }

    #[test]
    fn an_order_holds_while_it_lasts_and_then_the_schedule_does() {
        let began = Instant::now();
        let mut orders = Orders::new("ok 10s, close".parse().unwrap(), began);
        assert_eq!(orders.at(began), (Standing::WELL, Some(began + 10 * SECOND)));
        orders.take(Order::parse("hang?for=5s").unwrap(), began + SECOND);
        assert_eq!(orders.at(began + SECOND).1, Some(began + 6 * SECOND));
        assert_eq!(names(&mut orders, began + 5 * SECOND), "hang");
        assert_eq!(names(&mut orders, began + 6 * SECOND), "ok");
        assert_eq!(names(&mut orders, began + 10 * SECOND), "close");
        orders.take(Order::parse("ok").unwrap(), began + 11 * SECOND);
        assert_eq!(orders.at(began + 1000 * SECOND), (Standing::WELL, None));
    }

    #[test]
    fn what_no_request_could_end_ends_by_itself() {
        assert_eq!(Order::parse("refuse").unwrap().lasts, Some(UNREACHABLE_FOR));
        assert_eq!(Order::parse("close-on-accept?for=1m").unwrap().lasts, Some(60 * SECOND));
        assert_eq!(Order::parse("hang").unwrap().lasts, None);
    }

    #[test]
    fn an_order_has_a_rate_and_the_options_of_its_fault() {
        let order = Order::parse("slow?rate=10%&after=2s&for=1s").unwrap();
        assert_eq!(order.standing.to_string(), "slow 10%");
        for text in ["hang?for=ever", "hang?rate=0%", "refuse?rate=10%", "hang?after=1s", "hagn"] {
            assert!(Order::parse(text).is_err(), "{text}");
        }
    }
}
