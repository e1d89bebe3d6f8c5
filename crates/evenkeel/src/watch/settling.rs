//! When a change is over: once two looks one after the other agree, for whoever writes two files writes one first.

use super::sight::Sight;

/// A folder in which something changes at every look is read all the same after so many.
const MOST_LOOKS: u32 = 15;

/// What was seen, and what of it was acted upon.
#[derive(Debug, Default)]
pub(super) struct Settling {
    acted: Option<Sight>,
    last: Option<Sight>,
    /// Looks in a row that did not agree with the one before them.
    unsettled: u32,
}

/// What a look comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// All is as it was when it was last acted upon.
    Same,
    /// Something changed, and is at rest.
    Changed,
    /// Something is changing.
    Changing,
}

impl Settling {
    /// Takes a look; [`Look::Changed`] has to be acted upon. So is the first one that is at rest, for nobody knows what
    /// changed before it.
    pub(super) fn take(&mut self, sight: Sight) -> Look {
        let is_at_rest = self.last.as_ref() == Some(&sight);
        self.unsettled = if is_at_rest { 0 } else { self.unsettled + 1 };
        if !is_at_rest && self.unsettled <= MOST_LOOKS {
            self.last = Some(sight);
            return Look::Changing;
        }
        self.unsettled = 0;
        let look = if self.acted.as_ref() == Some(&sight) { Look::Same } else { Look::Changed };
        (self.acted, self.last) = (Some(sight.clone()), Some(sight));
        look
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// One for each number.
    fn sight(number: usize) -> Sight {
        Sight::of(vec![PathBuf::from(format!("/there is no {number}"))])
    }

    /// What looks at these sights, by number, come to.
    fn looks(order: &[usize]) -> Vec<Look> {
        let mut settling = Settling::default();
        order.iter().map(|number| settling.take(sight(*number))).collect()
    }

    #[test]
    fn the_first_that_is_at_rest_is_acted_upon_once() {
        use Look::{Changed, Changing, Same};
        assert_eq!(looks(&[0, 0, 0, 0]), [Changing, Changed, Same, Same]);
    }

    #[test]
    fn a_change_is_acted_upon_when_two_looks_agree() {
        use Look::{Changed, Changing, Same};
        assert_eq!(
            looks(&[0, 0, 1, 2, 2, 2]),
            [Changing, Changed, Changing, Changing, Changed, Same],
            "what is half written is not read"
        );
    }

    #[test]
    fn a_change_that_is_taken_back_is_none() {
        use Look::{Changed, Changing, Same};
        assert_eq!(looks(&[0, 0, 1, 0, 0]), [Changing, Changed, Changing, Changing, Same]);
    }

    #[test]
    fn what_never_rests_is_read_all_the_same() {
        let order: Vec<usize> = (0..40).collect();
        let changed = looks(&order).iter().filter(|look| **look == Look::Changed).count();
        assert_eq!(changed, 2, "once in sixteen looks");
    }
}
