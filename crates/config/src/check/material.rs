//! What is read beside the YAML on the way to a plan, and what is worth a look in it.

use std::time::SystemTime;

use crate::files::{Fault, Files, SystemRoots};
use crate::problem::{Code, Problems};
use crate::tree::Place;

/// Where certificates and the like came from, and warnings about them.
pub(crate) struct Material {
    pub(super) now: SystemTime,
    pub(super) files: Files,
    pub(super) system: SystemRoots,
    warnings: Problems,
}

impl Material {
    /// Nothing yet; `warnings` know the text that they point into.
    pub(crate) fn new(warnings: Problems, now: SystemTime) -> Self {
        Material { now, files: Files::default(), system: SystemRoots::default(), warnings }
    }

    /// Warns of something in a file.
    pub(super) fn warn(&mut self, place: &Place<'_>, fault: Fault) {
        report(place, fault, &mut self.warnings);
    }

    /// Warns of something that is written.
    pub(super) fn warn_at(&mut self, place: &Place<'_>, code: Code, message: &str, help: &str) {
        self.warnings.at(place, code, message, help);
    }

    /// Every warning, in the order of the file.
    pub(super) fn take_warnings(&mut self) -> Problems {
        self.warnings.sort();
        std::mem::replace(&mut self.warnings, Problems::new("", ""))
    }
}

/// Reports what is wrong with a file, at the key that names it.
pub(super) fn report(place: &Place<'_>, fault: Fault, problems: &mut Problems) {
    let Fault { key, code, message, help } = fault;
    let place = key.split('.').fold(place.clone(), |place, key| place.key(key));
    problems.at(&place, code, message, help);
}
