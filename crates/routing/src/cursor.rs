//! The state of picks on one core for one pool: where the rotation stands, and random numbers.
//!
//! It survives publications. It starts at random, so that cores do not walk in step.

/// So many places of a rotation, at most, are shuffled at a time: each place is drawn near where it stands, so a shuffled
/// rotation is as smooth as the order itself, give or take one hand.
const HAND: usize = 64;

/// Where one core's picks from one pool stand.
#[derive(Debug)]
pub struct Cursor {
    position: usize,
    random: u64,
    hand: Hand,
}

/// The places from `position` on that a shuffled rotation draws from, without putting any back.
#[derive(Debug)]
struct Hand {
    /// Relative to the position; the first `left` of them are yet to be drawn.
    places: [u8; HAND],
    left: usize,
    dealt: usize,
    /// Of the round, this hand included.
    left_in_round: usize,
    length: usize,
}

impl Cursor {
    /// Any seed will do.
    pub fn new(seed: u64) -> Self {
        let hand = Hand { places: [0; HAND], left: 0, dealt: 0, left_in_round: 0, length: 0 };
        let mut cursor = Cursor { position: 0, random: seed | 1, hand };
        cursor.position = cursor.random() as usize;
        cursor
    }

    /// The next place of a rotation through `length` places.
    #[inline]
    pub(crate) fn step(&mut self, length: usize) -> usize {
        let next = self.position.wrapping_add(1);
        self.position = if next >= length { next % length } else { next };
        self.position
    }

    /// The next place of a shuffled rotation through `length` places: each once in a round, in an order that cannot be
    /// foreseen. Another length begins another round.
    #[inline]
    pub(crate) fn draw(&mut self, length: usize) -> usize {
        if self.hand.left == 0 || self.hand.length != length {
            self.deal(length);
        }
        let drawn = self.place(self.hand.left);
        self.hand.left -= 1;
        let place = self.position + usize::from(self.hand.places[drawn]);
        self.hand.places[drawn] = self.hand.places[self.hand.left];
        if place >= length { place - length } else { place }
    }

    /// Goes on behind the places that were drawn.
    #[inline(never)]
    fn deal(&mut self, length: usize) {
        let hand = &mut self.hand;
        self.position = self.position.wrapping_add(hand.dealt - hand.left) % length;
        hand.left_in_round = match hand.left_in_round - hand.dealt {
            left if left > 0 && hand.length == length => left,
            _ => length,
        };
        hand.length = length;
        // Hands of one size: a last one of few places would be foreseen.
        hand.dealt = hand.left_in_round.div_ceil(hand.left_in_round.div_ceil(HAND));
        hand.left = hand.dealt;
        for (place, dealt) in hand.places[..hand.dealt].iter_mut().enumerate() {
            *dealt = place as u8;
        }
    }

    /// A random place among `length`.
    #[inline]
    pub(crate) fn place(&mut self, length: usize) -> usize {
        ((u128::from(self.random()) * length as u128) >> 64) as usize
    }

    #[inline]
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(cursor: &mut Cursor, length: usize) -> Vec<usize> {
        (0..length).map(|_| cursor.draw(length)).collect()
    }

    #[test]
    fn no_two_rounds_or_cores_draw_alike() {
        let mut cursor = Cursor::new(1);
        let first = drawn(&mut cursor, 50);
        assert_ne!(first, drawn(&mut cursor, 50));
        assert_ne!(first, drawn(&mut Cursor::new(5), 50));
    }

    #[test]
    fn another_length_goes_on_where_the_last_one_stood() {
        let mut cursor = Cursor::new(1);
        cursor.step(1000);
        let start = cursor.position;
        for length in [1000, 1001, 1000, 1001] {
            (0..100).for_each(|_| assert!(cursor.draw(length) < length));
        }
        let drawn = cursor.position + cursor.hand.dealt - cursor.hand.left - start;
        assert_eq!(drawn, 400);
    }

    proptest! {
        #[test]
        fn a_round_draws_each_place_once_and_each_near_where_it_stands(length in 1usize..400, seed: u64) {
            let mut cursor = Cursor::new(seed);
            for _ in 0..3 {
                let mut round = drawn(&mut cursor, length);
                let first = cursor.position + cursor.hand.dealt;
                for (turn, place) in round.iter().enumerate() {
                    let ahead = (place + 3 * length - first % length - turn) % length;
                    prop_assert!(ahead < HAND || length - ahead < HAND, "{} {} {}", turn, place, first);
                }
                round.sort_unstable();
                prop_assert!(round.into_iter().eq(0..length));
            }
        }
    }
}
