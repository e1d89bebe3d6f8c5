//! Orders that are computed once, at publication, so that a pick never skips over an ejected member.

use evenkeel_model::Phase;

use crate::Member;

/// Most places in a weighted order; weights beyond it are scaled down together.
const MOST_PLACES: u64 = 4096;

/// A smooth weighted order: in each round every member stands as often as it weighs, spread as evenly as can be.
pub(crate) fn smooth(members: &[Member], is_in: impl Fn(&Member) -> bool) -> Box<[u16]> {
    let mut weights: Vec<(u16, u64)> = members
        .iter()
        .enumerate()
        .filter(|(_, member)| is_in(member))
        .map(|(index, member)| (index as u16, effective(member)))
        .collect();
    reduce(&mut weights);
    let total: i64 = weights.iter().map(|(_, weight)| *weight as i64).sum();
    let mut credit = vec![0i64; weights.len()];
    let mut order = Vec::with_capacity(total as usize);
    for _ in 0..total {
        let mut best = 0;
        for (place, (_, weight)) in weights.iter().enumerate() {
            credit[place] += *weight as i64;
            if credit[place] > credit[best] {
                best = place;
            }
        }
        credit[best] -= total;
        order.push(weights[best].0);
    }
    order.into()
}

/// In hundredths, so that a ramp shows.
fn effective(member: &Member) -> u64 {
    let ramp = f64::from(member.status.ramp.clamp(0.0, 1.0));
    ((f64::from(member.weight) * 100.0 * ramp).round() as u64).max(1)
}

fn reduce(weights: &mut [(u16, u64)]) {
    let common =
        weights.iter().fold(0, |common, (_, weight)| greatest_common_divisor(common, *weight)).max(1);
    let total: u64 = weights.iter().map(|(_, weight)| weight / common).sum();
    for (_, weight) in weights.iter_mut() {
        *weight /= common;
        if total > MOST_PLACES {
            *weight = (*weight * MOST_PLACES / total).max(1);
        }
    }
}

fn greatest_common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

/// Whom to try when nobody is admitted: those ejected on traffic first, then those that probes ejected; among
/// them, the one that is out longest.
pub(crate) fn last_resort(members: &[Member]) -> Box<[u16]> {
    let mut order: Vec<u16> = (0..members.len() as u16).collect();
    order.sort_by_key(|index| {
        let status = &members[usize::from(*index)].status;
        (status.evidence.is_by_probes(), status.since)
    });
    order.into()
}

/// Members on trial.
pub(crate) fn on_trial(members: &[Member]) -> Box<[u16]> {
    let is_on_trial = |(_, member): &(usize, &Member)| member.status.phase == Phase::Trial;
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
        assert_eq!(order_of(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(order_of(&[7, 7]), [0, 1]);
        assert_eq!(order_of(&[]), []);
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
    }
}
