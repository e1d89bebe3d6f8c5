//! How far an attempt got, and what came of it.
//!
//! Whether a retry is legal follows from here, never from the kind of error.

use crate::{Cause, TlsDetail, Weight};

/// The last station that an attempt reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reached {
    /// A backend was chosen; nothing was done yet.
    Picked,
    /// A connection is being made.
    Connecting,
    /// A connection stands, and TLS is being agreed on.
    Tls,
    /// A connection stands; no byte of the request has been handed to it.
    Ready,
    /// At least one byte of the request was handed to the socket.
    Sent,
    /// At least one byte of the response arrived.
    Answered,
    /// The response head was forwarded to the client.
    Forwarded,
}

/// Who may be retried after a failure (RFC 9110, section 9.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A: no request byte reached the socket; any method may go elsewhere.
    NotSent,
    /// C: bytes were sent, none came back; idempotent requests only.
    Maybe,
    /// D: response bytes arrived, none was forwarded; as `Maybe`, where the cause's row says so.
    Answered,
    /// The response head was forwarded; never.
    Forwarded,
}

impl Class {
    /// The word for it in logs.
    pub const fn token(self) -> &'static str {
        match self {
            Class::NotSent => "not_sent",
            Class::Maybe => "maybe",
            Class::Answered => "answered",
            Class::Forwarded => "forwarded",
        }
    }
}

impl Reached {
    /// The retry class that this station proves.
    pub fn class(self) -> Class {
        match self {
            Reached::Picked | Reached::Connecting | Reached::Tls | Reached::Ready => Class::NotSent,
            Reached::Sent => Class::Maybe,
            Reached::Answered => Class::Answered,
            Reached::Forwarded => Class::Forwarded,
        }
    }
}

/// What an attempt says about its backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A valid response, to its end.
    Success,
    /// It failed, and this is why.
    Failed(Fault),
    /// The client left first, or the request is to blame: neither failure nor success.
    Abandoned,
}

/// A failure, with what tells the backend's fault from the request's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Why it failed.
    pub cause: Cause,
    /// What the backend answered, if that is what failed; else 0.
    pub status: u16,
    /// What was wrong with TLS, if that is what failed.
    pub tls: Option<TlsDetail>,
    /// Which request: a hash of route, method and path.
    pub key: u64,
    /// Who is to blame.
    pub proof: Proof,
}

/// What is known of a failed request beyond its failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// No more than that it failed: the request itself may be to blame.
    Alone,
    /// The same request then succeeded on another backend: this one is to blame.
    Elsewhere,
}

impl Fault {
    /// Whether the request itself may be what broke the backend, so that more than the failure has to speak against it:
    /// what never left this machine is no question of the request.
    pub fn may_be_poison(&self) -> bool {
        match self.cause.facts().weight {
            Weight::Soft => true,
            Weight::Hard => matches!(self.cause, Cause::ClosedBeforeResponse | Cause::EofInHead),
            Weight::None => false,
        }
    }

    /// Whether the backend itself answered 502, 503 or 504.
    pub fn is_gateway_error(&self) -> bool {
        self.cause == Cause::UpstreamStatus && matches!(self.status, 502..=504)
    }
}

impl From<Cause> for Fault {
    fn from(cause: Cause) -> Self {
        Fault { cause, status: 0, tls: None, key: 0, proof: Proof::Alone }
    }
}
