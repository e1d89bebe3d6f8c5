//! From a tree to the document types, through serde; a fault knows the steps that lead to it.
//!
//! serde stops at its first error. So the faulty node is pruned (for a missing key, the map that lacks it) and the
//! whole is decoded again, until it passes: every fault is found, and each good neighbour is kept.

mod deserializer;
mod fault;

pub(crate) use fault::complaint;

use serde::Deserialize;

use self::deserializer::Decoder;
use self::fault::Fault;
use crate::problem::Problems;
use crate::tree::{Node, Place};

/// Decodes a tree, reports every fault and prunes it; `None` if nothing sensible is left.
pub(crate) fn decode<T>(root: &mut Node, problems: &mut Problems) -> Option<T>
where
    T: for<'de> Deserialize<'de>,
{
    while !problems.is_full() {
        match T::deserialize(Decoder(root)) {
            Ok(document) => return Some(document),
            Err(fault) => {
                if !follows_from_another(root, &fault) {
                    report(root, &fault, problems);
                }
                // The root itself cannot be pruned, nor can anything be pruned twice.
                let node = fault.steps().try_fold(&mut *root, |node, step| node.child_mut(step))?;
                if fault.is_at_root() || std::mem::replace(&mut node.is_pruned, true) {
                    return None;
                }
            }
        }
    }
    None
}

/// A key that is missing only because its value was pruned has been reported already.
fn follows_from_another(root: &Node, fault: &Fault) -> bool {
    let place = fault.steps().try_fold(Place::root(root), |place, step| place.child(step));
    place.zip(fault.missing).is_some_and(|(place, key)| place.key(key).is_broken())
}

fn report(root: &Node, fault: &Fault, problems: &mut Problems) {
    let place = fault.steps().try_fold(Place::root(root), |place, step| place.child(step));
    let Some(place) = place else { return };
    let place = if fault.is_about_key() { place.at_key() } else { place };
    problems.at(&place, fault.code, fault.message.as_str(), fault.help.as_str());
}
