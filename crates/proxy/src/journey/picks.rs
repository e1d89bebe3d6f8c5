//! Which backend gets the next attempt: not one that failed this request, and rather not one that is in trouble.

use evenkeel_model::Cause;
use evenkeel_routing::Ask;

use super::Journey;
use crate::attempt::Attempt;
use crate::contact::Contact;
use crate::request::Request;

impl Journey<'_> {
    /// Picks a backend that this request has not tried yet. One that cannot be repeated rather goes where no attempt
    /// is stalled at the moment: nothing could hide that it hangs, too.
    pub(crate) fn pick(&mut self, request: &Request) -> Option<Attempt> {
        if self.kept.state.stalls.get() == 0 || request.is_hideable() {
            return self.pick_but(request, None);
        }
        self.pick_beside_stalls(request)
    }

    /// Picks a backend for a retry: rather one that has not asked to be left alone. After a backend's own error it has
    /// to be such a one, since that error says as much as another one's.
    pub(crate) fn pick_again(&mut self, request: &Request, after: Cause) -> Option<Attempt> {
        let avoided = self.avoided(|contact| contact.is_resting(request.now));
        if avoided.is_empty() {
            return self.pick(request);
        }
        let rested = self.pick_but(request, Some(&avoided));
        match rested {
            Some(attempt) if after == Cause::UpstreamStatus || attempt.is_in_turn() => Some(attempt),
            None if after == Cause::UpstreamStatus => None,
            // Who only asked for rest is better than who is out of service.
            rested => {
                self.give_back(rested);
                self.pick(request)
            }
        }
    }

    #[cold]
    fn pick_beside_stalls(&mut self, request: &Request) -> Option<Attempt> {
        let avoided = self.avoided(Contact::is_stalling);
        match self.pick_but(request, Some(&avoided)) {
            Some(attempt) if attempt.is_in_turn() => Some(attempt),
            // Who stalls is better than who is out of service.
            other => {
                self.give_back(other);
                self.pick_but(request, None)
            }
        }
    }

    /// The members that a pick is to pass over, those that were tried included; empty if there is no more than those.
    fn avoided(&self, is_avoided: impl Fn(&Contact) -> bool) -> Vec<u16> {
        let contacts = self.kept.contacts.iter().enumerate();
        let mut avoided: Vec<u16> =
            contacts.filter(|(_, contact)| is_avoided(contact)).map(|(member, _)| member as u16).collect();
        if !avoided.is_empty() {
            avoided.extend_from_slice(&self.tried[..self.tried_count]);
        }
        avoided
    }

    /// Picks a backend that this request has not tried yet, or none of `avoided`, which has those that were tried.
    fn pick_but(&mut self, request: &Request, avoided: Option<&[u16]>) -> Option<Attempt> {
        let now = request.now;
        let may_follow = self.history.attempts + 1 < self.history.most && !self.history.has_repeated;
        let hideable = may_follow && request.is_hideable();
        let ask = Ask { tried: avoided.unwrap_or(&self.tried[..self.tried_count]), hideable, now };
        let pick = self.pool.pick(&mut self.kept.state.cursor.borrow_mut(), &ask)?;
        *self.tried.get_mut(self.tried_count)? = pick.member as u16;
        self.tried_count += 1;
        self.history.attempts += 1;
        Some(Attempt::new(self.core, pick, now))
    }

    /// Takes back a pick that is not used, if there was one.
    pub(crate) fn give_back(&mut self, attempt: Option<Attempt>) {
        let Some(attempt) = attempt else { return };
        debug_assert_eq!(self.tried[self.tried_count - 1], attempt.member, "the last pick is taken back");
        self.history.attempts -= 1;
        self.tried_count -= 1;
    }
}
