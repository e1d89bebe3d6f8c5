//! The table of failures, row by row, as clients, backends, log and metrics are to see it.
//!
//! Left out, because loopback cannot show it: N2 (a resolver that hangs), N5 and N6 (there is no queue), N9, C2 (a reset in the
//! midst of the handshake), M1 to M5 (HTTP/2), I1 and I2; T1 to T4 and B5 are in `tls_rows`. By themselves stand N7 (`retry_rules`), R10
//! (`stalls`), N8 (`exhaustion`, `ports`) and K3 (`slow_clients`).

use super::acts;
use super::cells::{Bad, Kind, Wire};
use super::row::{Asking, Ending, Retry, Row, Weight, World, broken, fresh, relayed, told};

/// Every row.
pub(super) fn table() -> Vec<Row> {
    [before_a_backend(), connecting(), sending(), heads(), bodies(), clients(), statuses()].concat()
}

fn before_a_backend() -> Vec<Row> {
    let no_name = told(
        ("N1", "dns_failed"),
        (502, &["dns_error"]),
        ("not_sent", Retry::Any),
        Weight::None,
        World::NoName,
    );
    let no_route = told(
        ("N3", "no_route"),
        (404, &["destination_not_found"]),
        ("", Retry::Never),
        Weight::None,
        World::Acts(acts::answer),
    );
    let nobody = told(
        ("N4", "no_healthy_backend"),
        (503, &["destination_unavailable"]),
        ("", Retry::Never),
        Weight::None,
        World::Refused,
    );
    vec![
        fresh(Row { origin: "proxy", ..no_name }),
        fresh(Row { origin: "client", asking: Asking::Elsewhere, bad: &[Bad::All], ..no_route }),
        fresh(Row {
            asking: Asking::AfterEjections,
            pool: "when_all_ejected: fail_closed",
            bad: &[Bad::All],
            field: Some(("retry-after", "1")),
            ..nobody
        }),
    ]
}

fn connecting() -> Vec<Row> {
    let not_sent =
        |id: (&'static str, &'static str), error: (u16, &'static [&'static str]), weight, world| {
            fresh(told(id, error, ("not_sent", Retry::Any), weight, world))
        };
    use Weight::Hard;
    let unroutable =
        not_sent(("C3", "unroutable"), (502, &["destination_ip_unroutable"]), Hard, World::Unroutable);
    let forbidden = not_sent(
        ("C5", "local_permission"),
        (500, &["proxy_configuration_error"]),
        Weight::None,
        World::Forbidden,
    );
    let late = not_sent(("C4", "connect_timeout"), (504, &["connection_timeout"]), Hard, World::FullQueue);
    vec![
        not_sent(("C1", "connect_refused"), (502, &["connection_refused"]), Hard, World::Refused),
        not_sent(("C1 ENOENT", "connect_refused"), (502, &["connection_refused"]), Hard, World::NoSocket),
        Row { origin: "proxy", ..unroutable },
        Row { pool: "timeouts: { connect: 150ms }", ..late },
        Row { origin: "proxy", ..forbidden },
    ]
}

fn sending() -> Vec<Row> {
    let closed: (u16, &'static [&'static str]) = (502, &["connection_terminated"]);
    let stale = |id, act| {
        let retry = ("maybe", Retry::Refresh);
        let row = told((id, "stale_reuse"), closed, retry, Weight::None, World::Acts(act));
        Row { is_stale: true, wires: &[Wire::Reused], ..row }
    };
    let at_once = |id, act| {
        let row = told(
            (id, "closed_before_response"),
            closed,
            ("maybe", Retry::Once),
            Weight::Hard,
            World::Acts(act),
        );
        fresh(row)
    };
    let both = Row {
        is_stale: true,
        kinds: &[Kind::Get, Kind::SmallPut],
        wires: &[Wire::Reused],
        ..at_once("S1, then S2", acts::close)
    };
    let unread = told(
        ("S3", "write_timeout"),
        (504, &["connection_write_timeout"]),
        ("maybe", Retry::Once),
        Weight::Soft,
        World::Acts(acts::read_nothing),
    );
    let early = relayed("S4", 413, World::Acts(acts::refuse_early));
    let huge: &[Kind] = &[Kind::LargePut, Kind::Post];
    vec![
        stale("S1 FIN", acts::close_if_reused),
        stale("S1 RST", acts::reset_if_reused),
        // What may not be repeated gets the backend's own 408: see `retries`.
        Row { kinds: &[Kind::Get, Kind::SmallPut], ..stale("R9", acts::late_408_if_reused) },
        at_once("S2 FIN", acts::close),
        at_once("S2 RST", acts::reset),
        both,
        Row { pool: "timeouts: { write: 1s }", asking: Asking::Hugely, kinds: huge, ..unread },
        Row { asking: Asking::Hugely, kinds: huge, ..early },
    ]
}

fn heads() -> Vec<Row> {
    let answered =
        |id: (&'static str, &'static str), error: &'static [&'static str], retry, weight, world| {
            told(id, (502, error), ("answered", retry), weight, world)
        };
    let late = |id: (&'static str, &'static str), error: &'static [&'static str], retry, pool| {
        let row = told(id, (504, error), ("maybe", retry), Weight::Soft, World::Acts(acts::hang));
        Row { pool, ..row }
    };
    let bad_head = |id, bytes| {
        let error = &["http_protocol_error"];
        answered((id, "bad_head"), error, Retry::Once, Weight::Soft, World::SaysLast(bytes))
    };
    let repaired =
        |id, bytes| Row { field: Some(("x-repaired", "a b")), ..relayed(id, 200, World::Says(bytes)) };
    let incomplete = &["http_response_incomplete"];
    let cut = World::SaysLast("HTTP/1.1 200 OK\r\nX-Cut");
    let too_large = answered(
        ("R4", "head_too_large"),
        &["http_response_header_section_size"],
        Retry::Never,
        Weight::None,
        World::Acts(acts::large_head),
    );
    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    vec![
        answered(("R1", "eof_in_head"), incomplete, Retry::Once, Weight::Hard, cut),
        bad_head("R2 not HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        bad_head("R2 bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
        bad_head("R2 lengths", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n"),
        repaired("R3 fold", "HTTP/1.1 200 OK\r\nX-Repaired: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
        repaired("R3 space", "HTTP/1.1 200 OK\r\nX-Repaired : a b\r\nContent-Length: 0\r\n\r\n"),
        Row { pool: "limits: { head_bytes: 1KiB }", ..too_large },
        late(("R5", "head_timeout"), &["connection_read_timeout"], Retry::Once, "timeouts: { head: 500ms }"),
        late(("R6", "deadline"), &["http_response_timeout"], Retry::Never, "timeouts: { total: 500ms }"),
        late(
            ("R7", "per_try_timeout"),
            &["http_response_timeout"],
            Retry::Once,
            "timeouts: { attempt: 500ms }",
        ),
        answered(
            ("R8", "upgrade_failed"),
            &["http_protocol_error"],
            Retry::Never,
            Weight::Soft,
            World::Says(switched),
        ),
    ]
}

fn bodies() -> Vec<Row> {
    let idle = broken("B3", "body_idle_timeout", World::Acts(acts::stop_midway));
    let early = |id: (&'static str, &'static str), error, retry, bytes| {
        told(id, (502, error), ("answered", retry), Weight::Soft, World::SaysLast(bytes))
    };
    vec![
        broken("B1 length", "body_truncated", World::Acts(acts::cut_length)),
        broken("B1 chunked", "body_truncated", World::Acts(acts::cut_chunked)),
        early(
            ("B2", "body_truncated"),
            &["http_response_incomplete"],
            Retry::Once,
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        ),
        Row { pool: "timeouts: { body_idle: 500ms }", ..idle },
        early(
            ("B4 early", "bad_chunk"),
            &["http_response_transfer_coding"],
            Retry::Never,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        ),
        broken("B4 late", "bad_chunk", World::Acts(acts::bad_chunk)),
    ]
}

fn clients() -> Vec<Row> {
    let left =
        told(("K1", "client_abort"), (499, &[]), ("", Retry::Never), Weight::None, World::Acts(acts::hang));
    let wrong = |id, status, detail, asking| {
        let row = told(
            (id, "client_error"),
            (status, &["http_request_error"]),
            ("", Retry::Never),
            Weight::None,
            World::Acts(acts::answer),
        );
        let kinds: &[Kind] = &[Kind::SmallPut, Kind::Post];
        fresh(Row { detail, asking, origin: "client", kinds, bad: &[Bad::All], ..row })
    };
    vec![
        Row { origin: "client", ending: Ending::Left, asking: Asking::Leaving, ..left },
        wrong("K2 chunk", 400, "bad_chunk_size", Asking::BadChunk),
        Row {
            listener: "limits: { body_bytes: 1MiB }",
            ..wrong("K2 size", 413, "body_too_large", Asking::TooMuch)
        },
    ]
}

fn statuses() -> Vec<Row> {
    let own = |id, status, bytes| {
        let retry = ("answered", Retry::Safe);
        let row = told((id, "upstream_status"), (status, &[]), retry, Weight::Soft, World::Says(bytes));
        Row { ending: Ending::Relayed, ..row }
    };
    vec![
        own("U1 502", 502, "HTTP/1.1 502 Own\r\nContent-Length: 3\r\n\r\nown"),
        own("U1 503", 503, "HTTP/1.1 503 Own\r\nContent-Length: 3\r\n\r\nown"),
        own("U1 504", 504, "HTTP/1.1 504 Own\r\nContent-Length: 3\r\n\r\nown"),
        relayed("U2", 500, World::Says("HTTP/1.1 500 Own\r\nContent-Length: 3\r\n\r\nown")),
    ]
}
