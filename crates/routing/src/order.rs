//! Orders that are computed once, at publication, so that a pick never skips over an ejected member.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use evenkeel_model::{Hold, Phase, Status};

use crate::{Member, WhenAllEjected};

/// Most places in a weighted order of few members; weights beyond it are scaled down together.
const MOST_PLACES: u64 = 4096;

/// So many places to a member there may be in any case, so that weights show in a large pool too.
const PLACES_PER_MEMBER: u64 = 4;

/// So finely are the ends of turns told apart: finer than two fractions of a round can lie from a whole place.
const END_SCALE: u64 = 1 << 20;

/// A smooth weighted order: in each round every member stands as often as it weighs, and after any number of places
/// nobody is a whole turn ahead of its share or behind it.
pub(crate) fn smooth(members: &[Member], is_in: impl Fn(&Member) -> bool) -> Box<[u16]> {
    let mut weights: Vec<(u16, u64)> = members
        .iter()
        .enumerate()
        .filter(|(_, member)| is_in(member))
        .map(|(index, member)| (index as u16, u64::from(share(member))))
        .collect();
    reduce(&mut weights);
    spread(&weights).into()
}

/// Lays the turns of a round out. Turn `k` of a member that has `n` belongs into the `k`-th of `n` equal parts of the
/// round. Of the turns whose part has begun, the one whose part ends first comes first: that keeps every turn within
/// its part (earliest deadline first is optimal for turns of one length, and the parts fill the round exactly).
fn spread(weights: &[(u16, u64)]) -> Vec<u16> {
    let total: u64 = weights.iter().map(|(_, weight)| weight).sum();
    // When the part ends, then who: in one word, which a heap moves faster than two.
    let part = |turn: u64, member: usize| {
        Reverse(((turn + 1) * total * END_SCALE / weights[member].1) << 16 | member as u64)
    };
    let mut due: BinaryHeap<_> = (0..weights.len()).map(|member| part(0, member)).collect();
    let mut turns_taken = vec![0; weights.len()];
    // Whose next part begins at this place, and who begins there too: a list through the members, without allocation.
    let mut begins_at = vec![None; total as usize];
    let mut begins_too = vec![None; weights.len()];
    let mut order = Vec::with_capacity(total as usize);
    for place in 0..total as usize {
        let mut beginning: Option<usize> = begins_at[place];
        while let Some(member) = beginning {
            due.push(part(turns_taken[member], member));
            beginning = begins_too[member];
        }
        let Reverse(part) = due.pop().expect("more parts have begun than turns were given");
        let member = usize::from(part as u16);
        let (index, weight) = weights[member];
        order.push(index);
        turns_taken[member] += 1;
        let next = (turns_taken[member] * total / weight) as usize;
        // A part may begin within the place that was just given, so its turn is due at the next one.
        if let Some(others) = begins_at.get_mut(next.max(place + 1)).filter(|_| turns_taken[member] < weight)
        {
            begins_too[member] = others.replace(member);
        }
    }
    order
}

/// A member's share of requests: its weight, as far as it has ramped up, in hundredths.
pub(crate) fn share(member: &Member) -> u32 {
    let ramp = f64::from(member.status.ramp.clamp(0.0, 1.0));
    ((f64::from(member.weight) * 100.0 * ramp).round() as u32).max(1)
}

fn reduce(weights: &mut [(u16, u64)]) {
    let common =
        weights.iter().fold(0, |common, (_, weight)| greatest_common_divisor(common, *weight)).max(1);
    let total: u64 = weights.iter().map(|(_, weight)| weight / common).sum();
    let most = MOST_PLACES.max(PLACES_PER_MEMBER * weights.len() as u64);
    for (_, weight) in weights.iter_mut() {
        *weight /= common;
        if total > most {
            *weight = ((*weight * most + total / 2) / total).max(1);
        }
    }
}

fn greatest_common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

/// Why a member is a last resort, the best first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Resort {
    /// Only a hold keeps it from requests: it still works.
    Held,
    /// Its traffic convicted it, or it is on trial.
    OutByTraffic,
    /// Its probes fail.
    OutByProbes,
}

impl Resort {
    fn of(status: &Status) -> Self {
        match status.phase {
            Phase::Unproven | Phase::Serving => Resort::Held,
            Phase::Ejected | Phase::Trial if status.evidence.is_by_probes() => Resort::OutByProbes,
            Phase::Ejected | Phase::Trial => Resort::OutByTraffic,
        }
    }
}

/// Members that are as good a resort as each other.
#[derive(Debug)]
pub(crate) struct Resorts {
    /// At least one; the one that is out longest first.
    pub(crate) members: Box<[u16]>,
    /// Whether they share requests, since nothing says that one of them does worse than the next.
    pub(crate) is_shared: bool,
}

/// Whom to try when nobody in service is left: those that are only held, then, where the rule says so, those that
/// traffic ejected, then those that probes ejected. An operator's `Out` never.
pub(crate) fn last_resort(members: &[Member], rule: WhenAllEjected) -> Box<[Resorts]> {
    let status = |index: &u16| &members[usize::from(*index)].status;
    let of = |resort: Resort| {
        let is_in = |index: &u16| {
            let status = status(index);
            Resort::of(status) == resort && status.is_last_resort() && !status.is_admitted()
        };
        let is_allowed = rule == WhenAllEjected::LastResort || resort == Resort::Held;
        let all = if is_allowed { members.len() } else { 0 };
        let mut order: Vec<u16> = (0..all as u16).filter(is_in).collect();
        order.sort_by_key(|index| status(index).since);
        Resorts { members: order.into(), is_shared: resort != Resort::OutByTraffic }
    };
    let all = [Resort::Held, Resort::OutByTraffic, Resort::OutByProbes].map(of);
    all.into_iter().filter(|resorts| !resorts.members.is_empty()).collect()
}

/// Members on trial; one that is held waits.
pub(crate) fn on_trial(members: &[Member]) -> Box<[u16]> {
    let is_on_trial = |(_, member): &(usize, &Member)| {
        member.status.phase == Phase::Trial && member.status.hold == Hold::None
    };
    members.iter().enumerate().filter(is_on_trial).map(|(index, _)| index as u16).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::examples::members;

    fn order_of(weights: &[u16]) -> Vec<u16> {
        let of: Vec<_> = weights.iter().map(|weight| (Phase::Serving, *weight)).collect();
        smooth(&members(&of), |_| true).into()
    }

    #[test]
    fn turns_are_spread_as_evenly_as_can_be() {
        // Each fifth of the round holds a turn of the first: over the end of a round it has three in a row, not four.
        assert_eq!(order_of(&[5, 1, 1]), [0, 0, 0, 1, 0, 0, 2]);
        assert_eq!(order_of(&[7, 7]), [0, 1]);
        assert_eq!(order_of(&[3, 1, 1, 1]), [0, 1, 0, 2, 0, 3]);
        assert_eq!(order_of(&[]), []);
    }

    #[test]
    fn the_light_ones_do_not_stand_together() {
        let mut weights = vec![100; 1];
        weights.extend([1; 100]);
        let order = order_of(&weights);
        assert!(order.chunks(2).all(|two| two[0] == 0 && two[1] != 0), "{order:?}");
    }

    #[test]
    fn in_a_large_pool_weights_and_ramps_still_show() {
        let mut members = members(&[(Phase::Serving, 1); 5000]);
        for member in &mut members[..2500] {
            member.status.ramp = 0.2;
        }
        let order = smooth(&members, |_| true);
        let ramping = order.iter().filter(|member| **member < 2500).count() as f64 / order.len() as f64;
        assert!((0.15..0.18).contains(&ramping), "{ramping}");
    }

    #[test]
    fn a_ramp_takes_its_part_of_the_weight() {
        let mut members = members(&[(Phase::Serving, 1), (Phase::Serving, 1)]);
        members[1].status.ramp = 0.1;
        let order = smooth(&members, |_| true);
        assert_eq!(order.len(), 11);
        assert_eq!(order.iter().filter(|member| **member == 1).count(), 1);
    }

    proptest! {
        #[test]
        fn whatever_the_weights_everybody_has_a_place_and_the_order_is_short(
            weights in prop::collection::vec(1u16..=1000, 1..200),
        ) {
            let order = order_of(&weights);
            prop_assert!(order.len() as u64 <= MOST_PLACES + weights.len() as u64);
            let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
            for (member, weight) in weights.iter().enumerate() {
                let places = order.iter().filter(|place| usize::from(**place) == member).count();
                let share = f64::from(*weight) / total * order.len() as f64;
                prop_assert!(places >= 1 && (places as f64 - share).abs() <= 1.0 + share * 0.06);
            }
        }

        /// Counted from the beginning of a round; over any stretch of it, then, by less than two turns.
        #[test]
        fn nobody_is_ever_a_whole_turn_ahead_or_behind(weights in prop::collection::vec(1u64..=60, 1..20)) {
            let of: Vec<_> = weights.iter().enumerate().map(|(member, weight)| (member as u16, *weight)).collect();
            let total: u64 = weights.iter().sum();
            let mut turns = vec![0; weights.len()];
            for (place, member) in spread(&of).into_iter().enumerate() {
                turns[usize::from(member)] += 1;
                for (turns, weight) in turns.iter().zip(&weights) {
                    let ahead = (turns * total) as i64 - (weight * (place as u64 + 1)) as i64;
                    prop_assert!(ahead.unsigned_abs() < total, "{:?}, place {}", weights, place);
                }
            }
            prop_assert_eq!(turns, weights);
        }
    }
}
