//! What went wrong with TLS to a backend, in the words of the table of failures.

use std::io::{self, ErrorKind};

use evenkeel_model::{Cause, ProbeFailure, TlsDetail};
use evenkeel_tls::{
    CertificateError, Error, InvalidMessage, PeerIncompatible, PeerMisbehaved, is_pin_mismatch,
    is_self_signed_peer,
};

use super::Broken;
use super::opening::Opening;

/// Why there is no TLS, or no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsFailure {
    /// By the table of failures.
    pub cause: Cause,
    /// More precisely; `None`: it only took too long.
    pub detail: Option<TlsDetail>,
}

impl TlsFailure {
    /// What an error of a [`Socket`](crate::Socket) means, if it is one of TLS.
    pub fn of(error: &io::Error) -> Option<TlsFailure> {
        error.get_ref()?.downcast_ref::<Error>().map(|error| of_error(error).into())
    }

    /// What ended a handshake, after the peer had begun like that.
    pub(super) fn of_handshake(broken: &Broken, opening: Opening) -> TlsFailure {
        match (broken, opening) {
            (Broken::Tls(_) | Broken::Closed, Opening::Text) => TlsDetail::PlaintextPeer.into(),
            (Broken::Tls(_) | Broken::Closed, Opening::Other) => TlsDetail::NotTls.into(),
            (Broken::Tls(error), Opening::None | Opening::Tls) => of_error(error).into(),
            (Broken::Io(error), _) if error.kind() == ErrorKind::TimedOut => {
                TlsFailure { cause: Cause::TlsTimeout, detail: None }
            }
            (Broken::Closed | Broken::Io(_), _) => TlsDetail::ClosedInHandshake.into(),
        }
    }
}

impl From<TlsDetail> for TlsFailure {
    fn from(detail: TlsDetail) -> Self {
        TlsFailure { cause: cause_of(detail), detail: Some(detail) }
    }
}

impl From<TlsFailure> for ProbeFailure {
    fn from(TlsFailure { cause, detail }: TlsFailure) -> Self {
        detail.map_or(ProbeFailure::Failed(cause), |detail| ProbeFailure::Tls(cause, detail))
    }
}

fn cause_of(detail: TlsDetail) -> Cause {
    match detail {
        TlsDetail::PlaintextPeer
        | TlsDetail::NotTls
        | TlsDetail::Version
        | TlsDetail::NoCommonCipher
        | TlsDetail::Alpn
        | TlsDetail::Malformed
        | TlsDetail::ClosedInHandshake => Cause::TlsProtocol,
        TlsDetail::Expired
        | TlsDetail::NotYetValid
        | TlsDetail::WrongName
        | TlsDetail::UnknownCa
        | TlsDetail::SelfSigned
        | TlsDetail::Revoked
        | TlsDetail::WrongPurpose
        | TlsDetail::Pin
        | TlsDetail::BadCertificate => Cause::TlsCertificate,
        TlsDetail::Alert(_) => Cause::TlsAlert,
        TlsDetail::LocalFault => Cause::Internal,
    }
}

// What rustls can say grows with its versions; what is not named is a peer that broke the protocol.
fn of_error(error: &Error) -> TlsDetail {
    match error {
        Error::AlertReceived(alert) => TlsDetail::Alert(u8::from(*alert)),
        Error::InvalidCertificate(_) if is_pin_mismatch(error) => TlsDetail::Pin,
        Error::InvalidCertificate(_) if is_self_signed_peer(error) => TlsDetail::SelfSigned,
        Error::InvalidCertificate(bad) => of_certificate(bad),
        Error::NoCertificatesPresented | Error::InvalidCertRevocationList(_) | Error::UnsupportedNameType => {
            TlsDetail::BadCertificate
        }
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => TlsDetail::Version,
        Error::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig) => {
            TlsDetail::Version
        }
        Error::PeerIncompatible(_) => TlsDetail::NoCommonCipher,
        Error::NoApplicationProtocol
        | Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => TlsDetail::Alpn,
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => TlsDetail::NotTls,
        Error::FailedToGetCurrentTime
        | Error::FailedToGetRandomBytes
        | Error::EncryptError
        | Error::HandshakeNotComplete
        | Error::General(_) => TlsDetail::LocalFault,
        _ => TlsDetail::Malformed,
    }
}

fn of_certificate(bad: &CertificateError) -> TlsDetail {
    use CertificateError::*;
    match bad {
        Expired | ExpiredContext { .. } => TlsDetail::Expired,
        NotValidYet | NotValidYetContext { .. } => TlsDetail::NotYetValid,
        NotValidForName | NotValidForNameContext { .. } => TlsDetail::WrongName,
        UnknownIssuer => TlsDetail::UnknownCa,
        Revoked => TlsDetail::Revoked,
        InvalidPurpose | InvalidPurposeContext { .. } => TlsDetail::WrongPurpose,
        _ => TlsDetail::BadCertificate,
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_model::Weight;

    use super::*;

    #[test]
    fn what_fails_on_this_side_is_no_backends_fault() {
        for error in
            [Error::FailedToGetCurrentTime, Error::FailedToGetRandomBytes, Error::General("a bug".into())]
        {
            let failure = TlsFailure::of_handshake(&Broken::Tls(error.clone()), Opening::Tls);
            assert_eq!(failure, TlsDetail::LocalFault.into());
            assert_eq!(TlsFailure::of(&super::super::broken(error)), Some(failure));
            assert_eq!(failure.cause.facts().weight, Weight::None);
        }
    }
}
