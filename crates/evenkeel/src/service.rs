//! What systemd is told: ready, reloading, stopping. Without systemd these calls do nothing.

use sd_notify::NotifyState;

/// The node serves.
pub(crate) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// A reload began; [`ready`] ends it, whatever came of it. The time is what `Type=notify-reload` asks for.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

/// The node drains.
pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd could not be notified");
    }
}
