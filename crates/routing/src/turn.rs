//! Whose turn it is among the members in service.
//!
//! Every balance hands out turns by weight; what they differ in is the order, and whether a busy member gives way.
//! While a member's share still grows, it is chosen as often as planned and never more, since it takes the place of
//! nobody else; if it is too busy for its share, one that has grown up takes its place.

use crate::{Balance, Cursor, Pool};

/// So many times as busy for its share as another may a member be whose share still grows.
const PATIENCE: u64 = 2;

/// So often a place is drawn before all are looked through.
const DRAWS: usize = 4;

impl Pool {
    /// Chooses among those in service that have not failed this request; `None`: there is none.
    #[inline]
    pub(crate) fn turn(&self, cursor: &mut Cursor, tried: &[u16]) -> Option<u16> {
        let places = self.admitted.len();
        if places == 0 {
            return None;
        }
        if !tried.is_empty() {
            return self.turn_of_nobody(cursor, tried);
        }
        let place = match self.rule.balance {
            Balance::RoundRobin | Balance::LeastRequests => cursor.step(places),
            Balance::Random => cursor.draw(places),
        };
        let first = self.admitted[place];
        Some(if self.may_give_way { self.unless_busy(first, cursor, tried) } else { first })
    }

    /// A retry takes nobody's turn: else the one that fails would get every request first, of two. It goes anywhere, so
    /// that the neighbour of one that fails is not struck by all its requests.
    #[cold]
    fn turn_of_nobody(&self, cursor: &mut Cursor, tried: &[u16]) -> Option<u16> {
        let first = anyone(&self.admitted, cursor, |member| !tried.contains(&member))?;
        Some(if self.may_give_way { self.unless_busy(first, cursor, tried) } else { first })
    }

    /// The first choice, unless it has requests in flight and is busier for its share than another at random whose share
    /// grows no more: busier at all, if requests go to the least busy, else far busier while its own share grows.
    #[inline(never)]
    fn unless_busy(&self, first: u16, cursor: &mut Cursor, tried: &[u16]) -> u16 {
        let busy = self.in_flight(first);
        let patience = match self.rule.balance {
            _ if busy == 0 => return first,
            Balance::LeastRequests => 1,
            Balance::RoundRobin | Balance::Random if self.is_ramping(first) => PATIENCE,
            Balance::RoundRobin | Balance::Random => return first,
        };
        let among = self.full.as_ref().unwrap_or(&self.admitted);
        let is_fit = |member| member != first && !tried.contains(&member);
        let Some(other) = anyone(among, cursor, is_fit) else { return first };
        let is_busier =
            (busy + 1) * self.share(other) > patience * (self.in_flight(other) + 1) * self.share(first);
        if is_busier { other } else { first }
    }

    fn is_ramping(&self, member: u16) -> bool {
        self.members[usize::from(member)].status.ramp < 1.0
    }

    fn in_flight(&self, member: u16) -> u64 {
        self.members[usize::from(member)].backend.in_flight() as u64
    }

    fn share(&self, member: u16) -> u64 {
        u64::from(self.shares[usize::from(member)])
    }
}

/// A member at random, by weight; only where chance does not find one that is fit, whoever stands next.
fn anyone(order: &[u16], cursor: &mut Cursor, is_fit: impl Fn(u16) -> bool) -> Option<u16> {
    if order.is_empty() {
        return None;
    }
    let by_chance = (0..DRAWS).map(|_| order[cursor.place(order.len())]).find(|member| is_fit(*member));
    by_chance.or_else(|| {
        let (before, behind) = order.split_at(cursor.place(order.len()));
        behind.iter().chain(before).copied().find(|member| is_fit(*member))
    })
}

#[cfg(test)]
mod tests {
    use evenkeel_model::Phase::Serving;

    use super::*;
    use crate::WhenAllEjected::LastResort;
    use crate::examples::{members, pool};

    const BALANCES: [Balance; 3] = [Balance::RoundRobin, Balance::LeastRequests, Balance::Random];

    /// Of two equal members, the first has ramped up so far, and the second wholly.
    fn ramping(balance: Balance, ramp: f32) -> Pool {
        let mut members = members(&[(Serving, 1), (Serving, 1)]);
        members[0].status.ramp = ramp;
        pool(balance, LastResort, members)
    }

    /// Of 110 turns, how many the first member gets.
    fn turns_of_the_first(pool: &Pool) -> usize {
        let mut cursor = Cursor::new(7);
        (0..110).filter(|_| pool.turn(&mut cursor, &[]) == Some(0)).count()
    }

    #[test]
    fn an_idle_member_gets_its_planned_turns_and_one_that_is_too_busy_gives_way() {
        for balance in BALANCES {
            let pool = ramping(balance, 0.1);
            assert_eq!(turns_of_the_first(&pool), 10, "{balance:?}");
            let busy = pool.members[0].backend.take_place();
            assert_eq!(turns_of_the_first(&pool), 0, "{balance:?}");
            // With 19 beside its one in flight it is just as busy for its share.
            let others: Vec<_> = (0..19).map(|_| pool.members[1].backend.take_place()).collect();
            assert_eq!(turns_of_the_first(&pool), 10, "{balance:?}");
            drop((busy, others));
        }
    }

    #[test]
    fn once_its_share_grows_no_more_only_least_requests_looks_at_what_is_in_flight() {
        for balance in BALANCES {
            let pool = ramping(balance, 1.0);
            let _busy = [(); 5].map(|()| pool.members[0].backend.take_place());
            let expected = if balance == Balance::LeastRequests { 0 } else { 55 };
            assert_eq!(turns_of_the_first(&pool), expected, "{balance:?}");
        }
    }

    #[test]
    fn while_every_share_grows_nobody_gives_way() {
        for balance in BALANCES {
            let mut members = members(&[(Serving, 1), (Serving, 1)]);
            members.iter_mut().for_each(|member| member.status.ramp = 0.5);
            let pool = pool(balance, LastResort, members);
            let _busy = [(); 5].map(|()| pool.members[0].backend.take_place());
            assert_eq!(turns_of_the_first(&pool), 55, "{balance:?}");
        }
    }

    #[test]
    fn a_member_that_has_failed_the_request_takes_no_turn_over() {
        for balance in BALANCES {
            let pool = ramping(balance, 0.1);
            let _busy = pool.members[0].backend.take_place();
            assert_eq!(pool.turn(&mut Cursor::new(7), &[1]), Some(0), "{balance:?}");
        }
    }

    #[test]
    fn the_less_busy_for_its_weight_is_chosen() {
        let pool = pool(Balance::LeastRequests, LastResort, members(&[(Serving, 1), (Serving, 4)]));
        let _one = pool.members[0].backend.take_place();
        let _six = [(); 6].map(|()| pool.members[1].backend.take_place());
        let mut cursor = Cursor::new(7);
        assert!((0..50).all(|_| pool.turn(&mut cursor, &[]) == Some(1)));
    }
}
