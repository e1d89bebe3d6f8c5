//! The rows that only TLS has, and how the others are played over it.
//!
//! Over TLS a row keeps its expectations, with two kinds of request instead of four: what is kept of a body for a second
//! attempt, and that a PUT may be repeated, is decided above TLS. What differs:
//!
//! - the rows of a Unix socket that is missing or forbidden name the host that it would have to prove, since it has none;
//! - the end of a body that nothing else ends counts only if it was announced (B5);
//! - a transfer that breaks off is told to the client by an end that is not announced, too.

use rustls::AlertDescription;

use super::acts;
use super::cells::{Kind, Wire};
use super::fakes::Fake;
use super::lines::Lines;
use super::row::{Ending, Retry, Row, Weight, World, broken, fresh, relayed, told};
use super::rows;

/// Every play over TLS.
pub(super) fn plays() -> Vec<(Row, Lines)> {
    let mut plays: Vec<_> = own().into_iter().map(|row| (row, Lines::Tls)).collect();
    plays.extend(rows::table().into_iter().map(|row| (fewer_kinds(row), Lines::Tls)));
    // An end without a word before says the same as an end in cleartext, where it is no body's end. B2 is not among them: with
    // session tickets read just before, the proxy may hear of a FIN only after it has forwarded the head, which makes it B1.
    let ends = ["S1 FIN", "R9", "S2 FIN", "S1, then S2", "R1", "B1 length", "B1 chunked"];
    let abrupt = rows::table().into_iter().filter(|row| ends.contains(&row.id));
    plays.extend(abrupt.map(|row| (fewer_kinds(row), Lines::Abrupt)));
    plays.extend(truncated().into_iter().map(|row| (row, Lines::Abrupt)));
    plays
}

const TWO: &[Kind] = &[Kind::Get, Kind::Post];

fn fewer_kinds(row: Row) -> Row {
    let kinds = match (row.kinds.contains(&Kind::Get), row.kinds.contains(&Kind::Post)) {
        (true, true) => TWO,
        (true, false) => &[Kind::Get],
        (false, true) => &[Kind::Post],
        (false, false) => row.kinds,
    };
    Row { kinds, ..row }
}

fn own() -> Vec<Row> {
    let stalls = told(
        ("T1", "tls_timeout"),
        (504, &["connection_timeout"]),
        ("not_sent", Retry::Any),
        Weight::Hard,
        World::Fakes(Fake::Stalls),
    );
    let whole = World::SaysLast("HTTP/1.1 200 OK\r\n\r\nwhole");
    let mut rows = vec![
        fresh(Row { pool: "timeouts: { tls: 300ms }", ..stalls }),
        Row { kinds: TWO, ..relayed("B5, announced", 200, whole) },
    ];
    rows.extend(protocols());
    rows.extend(alerts());
    rows.extend(certificates());
    rows
}

fn failing(
    (id, cause, error): (&'static str, &'static str, &'static [&'static str]),
    tls_detail: &'static str,
    fake: Fake,
) -> Row {
    let row = told((id, cause), (502, error), ("not_sent", Retry::Any), Weight::Hard, World::Fakes(fake));
    Row { tls_detail, kinds: TWO, wires: &[Wire::Fresh], ..row }
}

fn protocols() -> Vec<Row> {
    let row = |id, detail, fake| failing((id, "tls_protocol", &["tls_protocol_error"]), detail, fake);
    vec![
        row("T2 plain HTTP", "plaintext_peer", Fake::PlainHttp),
        row("T2 another protocol", "not_tls", Fake::Database),
        row("T2 TLS 1.1", "no_common_version", Fake::Old),
        row("T2 FIN", "closed_in_handshake", Fake::Closes),
        row("T2 RST", "closed_in_handshake", Fake::Resets),
    ]
}

fn alerts() -> Vec<Row> {
    let row = |id, number, detail, fake| {
        let row = failing((id, "tls_alert", &["tls_alert_received"]), detail, fake);
        Row { alert: Some(number), ..row }
    };
    let alert = |id, alert, detail| row(id, i64::from(u8::from(alert)), detail, Fake::Alert(alert));
    use AlertDescription::{HandshakeFailure, InternalError, ProtocolVersion, UnrecognisedName};
    let late = row("T3 after the request", 116, "certificate_required", Fake::WantsCertificateLate);
    vec![
        alert("T3 handshake", HandshakeFailure, "handshake_failure"),
        alert("T3 version", ProtocolVersion, "protocol_version"),
        alert("T3 name", UnrecognisedName, "unrecognized_name"),
        alert("T3 internal", InternalError, "internal_error"),
        row("T3 ALPN", 120, "no_application_protocol", Fake::OtherProtocol),
        row("T3 certificate, TLS 1.2", 116, "certificate_required", Fake::WantsCertificate),
        Row { class: "maybe", retry: Retry::Once, ..late },
    ]
}

fn certificates() -> Vec<Row> {
    let row = |id, detail, fake| failing((id, "tls_certificate", &["tls_certificate_error"]), detail, fake);
    vec![
        row("T4 expired", "expired", Fake::Expired),
        row("T4 not yet", "not_yet_valid", Fake::NotYetValid),
        row("T4 name", "wrong_name", Fake::WrongName),
        row("T4 CA", "unknown_ca", Fake::Stranger),
        row("T4 self-signed", "self_signed", Fake::SelfSigned),
        row("T4 purpose", "wrong_purpose", Fake::OfClient),
        Row { is_pinned: true, ..row("T4 pin", "pin_mismatch", Fake::OtherKey) },
    ]
}

/// Bodies without an end of their own, whose connection ends without a word before.
fn truncated() -> Vec<Row> {
    let late = broken("B5, late", "tls_truncated", World::Acts(acts::cut_endless));
    let early = World::SaysLast("HTTP/1.1 200 OK\r\n\r\nhalf");
    let early = broken("B5, at once", "tls_truncated", early);
    [late, early].map(|row| Row { weight: Weight::None, kinds: TWO, ending: Ending::Broken, ..row }).into()
}
