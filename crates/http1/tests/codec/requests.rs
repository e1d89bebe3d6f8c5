//! Request heads: what passes, what does not, and with which status.

use evenkeel_http1::{HeadLimits, Known, Method, Refusal, RequestHead, Version};

use crate::delivery::{Request, request, request_in};

fn accepted(text: &str) -> Request {
    request(text).unwrap_or_else(|refusal| panic!("{refusal}: {text:?}")).expect("a whole head")
}

fn refused(text: impl AsRef<[u8]>) -> Refusal {
    let text = text.as_ref();
    match request(text) {
        Err(refusal) => refusal,
        Ok(head) => panic!("accepted {:?} as {head:?}", String::from_utf8_lossy(text)),
    }
}

fn knowns(text: &str) -> Vec<(String, Known)> {
    accepted(text).fields.into_iter().map(|(name, _, known)| (name, known)).collect()
}

#[test]
fn a_common_request_is_read_whole() {
    let text = "GET /a/b?c=d HTTP/1.1\r\nHost: a.test:8080\r\nX-Own:  two words\t \r\nEmpty:\r\nBlank: \t\r\n\r\nrest";
    let head = accepted(text);
    assert_eq!(
        (head.method.as_str(), head.target.as_str(), head.path.as_str()),
        ("GET", "/a/b?c=d", "/a/b?c=d")
    );
    assert_eq!((head.authority.as_str(), head.version), ("a.test:8080", Version::Http11));
    assert_eq!(head.length, text.len() - "rest".len());
    let fields: Vec<_> = head.fields.iter().map(|(name, value, _)| (name.as_str(), value.as_str())).collect();
    assert_eq!(fields, [("Host", "a.test:8080"), ("X-Own", "two words"), ("Empty", ""), ("Blank", "")]);
}

#[test]
fn an_incomplete_request_asks_for_more() {
    for text in
        ["", "G", "GET", "GET /", "GET / HTTP/1.1", "GET / HTTP/1.1\r\nHost: a.test\r\n", "\r", "\r\n"]
    {
        assert_eq!(request(text), Ok(None), "{text:?}");
    }
}

#[test]
fn the_path_is_kept_byte_for_byte() {
    for path in
        ["/", "//evil.test/x", "/a/../b//c/./d", "/%2e%2E/%2f%00", "/a?b?c/d", "/{a}|b^c\"<>\\`", "/a;b=c,d"]
    {
        let head = accepted(&format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        assert_eq!(head.path, path);
    }
}

#[test]
fn an_absolute_target_is_taken_apart() {
    for (target, authority, path) in [
        ("http://a.test/x?y", "a.test", "/x?y"),
        ("HTTP://A.test:80", "A.test:80", "/"),
        ("http://a.test?y", "a.test", "/?y"),
        ("http://a.test/http://b.test/", "a.test", "/http://b.test/"),
    ] {
        let head = accepted(&format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        assert_eq!((head.authority.as_str(), head.path.as_str()), (authority, path), "{target}");
        assert_eq!(head.target, target);
    }
    assert_eq!(accepted("GET https://a.test:443/ HTTP/1.1\r\nHost: A.TEST\r\n\r\n").authority, "a.test:443");
    assert_eq!(accepted("OPTIONS http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n").path, "*");
    assert_eq!(accepted("GET http://[::1]:8080/ HTTP/1.0\r\n\r\n").authority, "[::1]:8080");
}

#[test]
fn a_target_that_contradicts_its_host_is_refused() {
    for (target, host) in [
        ("http://a.test/", "b.test"),
        ("http://a.test:81/", "a.test"),
        ("http://a.test/", "a.test:443"),
        ("https://a.test/", "a.test:80"),
    ] {
        let text = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(refused(text), Refusal::HostMismatch, "{target} and {host}");
    }
}

#[test]
fn any_other_target_is_refused() {
    for target in [
        "a.test",
        "a.test:80",
        "*",
        "**",
        "?a",
        "#",
        "/a#b",
        "/#",
        "http://a.test/#b",
        "http://a.test#b",
        "http:///a",
        "http://",
        "http:/a.test",
        "http://user@a.test/",
        "http://a.test:x/",
        "http://a.test:/",
        "http://a.test\\/",
        "ftp://a.test/",
        "httpx://a.test/",
        "ws://a.test/",
        "\\a",
        "/\u{e4}",
        "%2f",
    ] {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(refused(text), Refusal::BadTarget, "{target}");
    }
    assert_eq!(refused("OPTIONS ** HTTP/1.1\r\nHost: a.test\r\n\r\n"), Refusal::BadTarget);
    assert_eq!(refused(b"GET /\xff HTTP/1.1\r\nHost: a.test\r\n\r\n").status(), 400);
}

#[test]
fn an_asterisk_is_for_options_alone() {
    let head = accepted("OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!((head.path.as_str(), head.authority.as_str()), ("*", "a.test"));
}

#[test]
fn a_malformed_request_line_is_refused() {
    for line in [
        "GET /",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / x HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1.1x",
        "GET / HTTP/1.11",
        "GET / HTTP/1.2",
        "GET / HTTP/1.9",
        "GET / HTTP/11",
        "GET / HTTP/1,1",
        "GET / HTTP/2",
        "GET / HTTP 1.1",
        "GET / HTTQ/1.1",
        "GET / ",
        "GET HTTP/1.1",
        "GET",
        "G{T / HTTP/1.1",
        "G\u{e4}T / HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET /\u{7f} HTTP/1.1",
        "GET /\r HTTP/1.1",
        "GET / HTTP/1.1\rX",
        "HTTP/1.1 200 OK",
    ] {
        assert_eq!(refused(format!("{line}\r\nHost: a.test\r\n\r\n")).status(), 400, "{line:?}");
    }
    assert_eq!(refused("GET / http/1.1\r\nHost: a.test\r\n\r\n"), Refusal::BadRequestLine);
}

#[test]
fn another_major_version_is_not_supported() {
    for version in ["2.0", "0.9", "3.0", "9.9"] {
        let text = format!("GET / HTTP/{version}\r\nHost: a.test\r\n\r\n");
        assert_eq!(refused(text), Refusal::UnsupportedVersion, "{version}");
    }
    assert_eq!(refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Refusal::UnsupportedVersion);
    assert_eq!(Refusal::UnsupportedVersion.status(), 505);
}

#[test]
fn trace_and_connect_are_not_allowed() {
    for line in ["TRACE / HTTP/1.1", "CONNECT a.test:443 HTTP/1.1", "CONNECT / HTTP/1.1"] {
        assert_eq!(refused(format!("{line}\r\nHost: a.test\r\n\r\n")).status(), 405, "{line}");
    }
}

#[test]
fn what_can_never_be_a_request_is_refused_at_its_first_bytes() {
    let limits = HeadLimits::default();
    for bytes in
        [&b"\x16\x03"[..], b"\x16", b"\x80", b"\0", b" ", b"{", b"\n", b"\r\r", b"\rG", b"\r\n\n", b"\r\n\r"]
    {
        assert!(request_in(bytes, &[], &limits).is_err(), "{bytes:?}");
    }
    assert_eq!(refused(b"\x16\x03\x01\x02\x00"), Refusal::NotHttp);
    // No end of the head has come, nor need it.
    for text in ["GET x\r\n", "GET / HTTP/1.1\r\nA b", "GET / HTTP/1.1\r\nA: b\n"] {
        assert_eq!(request_in(text.as_bytes(), &[], &limits).map_err(Refusal::status), Err(400), "{text:?}");
    }
    // Here another version may still become of it.
    assert_eq!(request_in(b"GET / HTTP/3", &[], &limits), Ok(None));
}

#[test]
fn only_one_empty_line_may_come_first() {
    assert_eq!(accepted("\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n").path, "/");
    for front in ["\r\n\r\n", "\n", "\n\r\n", "\r\n\n", "\r", "\r\r\n"] {
        let text = format!("{front}GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(refused(text).status(), 400, "{front:?}");
    }
}

#[test]
fn every_line_ends_in_cr_lf() {
    let good = "GET / HTTP/1.1\r\nHost: a.test\r\nA: b\r\nC:\r\nD: \r\n\r\n";
    let ends: Vec<_> = good.match_indices("\r\n").map(|(at, _)| at).collect();
    for at in ends {
        let bare_line_feed = good[..at].to_owned() + &good[at + 1..];
        assert_eq!(refused(bare_line_feed), Refusal::BareLineFeed, "at {at}");
        let bare_return = good[..=at].to_owned() + &good[at + 2..];
        if at + 2 < good.len() {
            assert_eq!(refused(bare_return).status(), 400, "at {at}");
        }
        let doubled_return = good[..at].to_owned() + "\r" + &good[at..];
        assert_eq!(refused(doubled_return).status(), 400, "at {at}");
    }
}

#[test]
fn a_malformed_field_is_refused_and_not_ignored() {
    for field in [
        "",
        ":",
        ": b",
        "A",
        "A b: c",
        "A : b",
        "A\t: b",
        " A: b",
        "\tA: b",
        "A: b\r\n c",
        "A: b\r\n\tc",
        "A: b\r\n ",
        "A(): b",
        "A/b: c",
        "\"A\": b",
        "\u{e4}: b",
        "A: b\0c",
        "A: \u{1}",
        "A: \u{7f}",
        "A: b\u{b}",
        "A: b\rc",
        "A: \r",
        "A\0: b",
    ] {
        let text = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{field}\r\nZ: z\r\n\r\n");
        if field.is_empty() {
            // That was the end of the head.
            assert!(accepted(&text).length < text.len());
        } else {
            assert_eq!(refused(text), Refusal::BadField, "{field:?}");
        }
    }
}

#[test]
fn octets_beyond_ascii_may_stand_in_a_value() {
    let text = b"GET / HTTP/1.1\r\nHost: a.test\r\nA: \x80\xff\tx\r\n\r\n";
    let mut head = RequestHead::default();
    assert_eq!(head.parse(text, &HeadLimits::default()), Ok(true));
    assert_eq!(head.fields[1].value.of(text), b"\x80\xff\tx");
}

#[test]
fn http_1_1_needs_exactly_one_good_host() {
    for (fields, refusal) in [
        ("", Refusal::MissingHost),
        ("Host:\r\n", Refusal::BadHost),
        ("Host: \r\n", Refusal::BadHost),
        ("Host: a.test\r\nHost: a.test\r\n", Refusal::RepeatedHost),
        ("Host: a.test\r\nhost: b.test\r\n", Refusal::RepeatedHost),
        ("Host: a.test, b.test\r\n", Refusal::BadHost),
        ("Host: a.test:x\r\n", Refusal::BadHost),
        ("Host: a.test:\r\n", Refusal::BadHost),
        ("Host: user@a.test\r\n", Refusal::BadHost),
        ("Host: http://a.test\r\n", Refusal::BadHost),
        ("Host: [::1\r\n", Refusal::BadHost),
        ("Host: ::1\r\n", Refusal::BadHost),
        ("Host: a.test\\\r\n", Refusal::BadHost),
    ] {
        assert_eq!(refused(format!("GET / HTTP/1.1\r\n{fields}\r\n")), refusal, "{fields:?}");
    }
    let absolute = "GET http://a.test/ HTTP/1.1\r\n\r\n";
    assert_eq!(refused(absolute), Refusal::MissingHost);
}

#[test]
fn http_1_0_may_have_no_host_but_not_a_bad_one() {
    assert_eq!(accepted("GET / HTTP/1.0\r\n\r\n").authority, "");
    assert_eq!(accepted("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n").authority, "a.test");
    for fields in ["Host:\r\n", "Host: a.test\r\nHost: a.test\r\n", "Host: a b\r\n"] {
        assert_eq!(refused(format!("GET / HTTP/1.0\r\n{fields}\r\n")).status(), 400, "{fields:?}");
    }
}

#[test]
fn names_with_underscores_are_marked_or_refused() {
    let fields = knowns("GET / HTTP/1.1\r\nHost: a.test\r\nX_Own: a\r\n\r\n");
    assert_eq!(fields[1], ("X_Own".to_owned(), Known::Underscore));
    let head = b"GET / HTTP/1.1\r\nHost: a.test\r\nX_Own: a\r\nX-Own: b\r\nx_own: c\r\n\r\n";
    let mut parsed = RequestHead::default();
    assert_eq!(parsed.parse(head, &HeadLimits::default()), Ok(true));
    assert_eq!(parsed.underscored, 2);
    for name in
        ["content_length", "Transfer_encoding", "host_", "x_forwarded_for", "X-Forwarded_Proto", "Forwarded_"]
    {
        let outcome = request(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{name}: a\r\n\r\n"));
        let folds = !name.ends_with('_');
        assert_eq!(outcome.err(), folds.then_some(Refusal::AmbiguousFieldName), "{name}");
    }
}

#[test]
fn the_connection_stays_open_as_version_and_options_say() {
    for (version, fields, keep_alive) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: foo , CLOSE\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.1", "Proxy-Connection: close\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let head = accepted(&format!("GET / HTTP/{version}\r\nHost: a.test\r\n{fields}\r\n"));
        assert_eq!(head.keep_alive, keep_alive, "{version} {fields:?}");
    }
}

#[test]
fn connection_nominates_fields_before_and_behind_it() {
    let fields = knowns(
        "GET / HTTP/1.1\r\nHost: a.test\r\nA: 1\r\nConnection: b, ,a,keep-alive\r\nB: 2\r\nb: 3\r\nC: 4\r\n\r\n",
    );
    let nominated: Vec<_> = fields
        .iter()
        .filter(|(_, known)| *known == Known::Nominated)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(nominated, ["A", "B", "b"]);
}

#[test]
fn connection_cannot_nominate_what_a_backend_relies_on() {
    for name in [
        "Host",
        "Authorization",
        "Cookie",
        "Set-Cookie",
        "Content-Length",
        "Content-Type",
        "Content-Anything",
        "Via",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Real-IP",
        "Client-Cert",
        "Client-Cert-Chain",
        "X-Request-Id",
        "Date",
        "Cache-Control",
        "Max-Forwards",
    ] {
        let value = if name == "Host" { "a.test" } else { "5" };
        let host = if name == "Host" { "" } else { "Host: a.test\r\n" };
        let fields =
            knowns(&format!("GET / HTTP/1.1\r\n{host}Connection: {name}\r\n{name}: {value}\r\n\r\n"));
        assert_eq!(fields.last().map(|(_, known)| *known), Some(Known::of(name.as_bytes())), "{name}");
    }
    let expect =
        knowns("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: expect\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(expect[2].1, Known::Expect);
    let te = "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(knowns(te)[2].1, Known::TransferEncoding);
}

#[test]
fn absurdly_many_connection_options_are_refused() {
    let options = vec!["a"; 65].join(",");
    let text = format!("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: {options}\r\n\r\n");
    assert_eq!(refused(text), Refusal::TooManyConnectionOptions);
}

#[test]
fn an_upgrade_counts_if_connection_lists_it() {
    for (version, fields, upgrade) in [
        ("1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", Some("websocket")),
        ("1.1", "Upgrade: h2c\r\nConnection: HTTP2-Settings, upgrade\r\n", Some("h2c")),
        ("1.1", "Upgrade: websocket\r\n", None),
        ("1.1", "Connection: upgrade\r\n", None),
        ("1.1", "Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n", None),
        ("1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n", None),
    ] {
        let head = accepted(&format!("GET / HTTP/{version}\r\nHost: a.test\r\n{fields}\r\n"));
        assert_eq!(head.upgrade.as_deref(), upgrade, "{version} {fields:?}");
    }
}

#[test]
fn trailers_are_welcome_if_te_says_so() {
    for (version, fields, welcome) in [
        ("1.1", "TE: trailers\r\n", true),
        ("1.1", "TE: gzip;q=0.5, Trailers\r\n", true),
        ("1.1", "TE: gzip\r\nTE: trailers\r\n", true),
        ("1.1", "TE: trailers;q=0\r\n", false),
        ("1.1", "TE: deflate\r\n", false),
        ("1.1", "", false),
        ("1.0", "TE: trailers\r\n", false),
    ] {
        let head = accepted(&format!("GET / HTTP/{version}\r\nHost: a.test\r\n{fields}\r\n"));
        assert_eq!(head.te_trailers, welcome, "{version} {fields:?}");
    }
}

#[test]
fn the_only_expectation_is_a_continue() {
    assert!(accepted("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-Continue\r\n\r\n").expect_continue);
    assert!(!accepted("POST / HTTP/1.0\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n").expect_continue);
    for value in ["", "200-ok", "100-continue, x", "100-continue;a"] {
        let text = format!("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: {value}\r\n\r\n");
        assert_eq!(refused(text), Refusal::ExpectationFailed, "{value:?}");
    }
    assert_eq!(Refusal::ExpectationFailed.status(), 417);
}

#[test]
fn a_head_has_as_many_bytes_as_the_limit_and_no_more() {
    let text = "GET / HTTP/1.1\r\nHost: a.test\r\nA: bcd\r\n\r\n";
    let limits = |head_bytes| HeadLimits { head_bytes, ..HeadLimits::default() };
    for cuts in [vec![], vec![1; text.len()]] {
        assert!(matches!(request_in(text.as_bytes(), &cuts, &limits(text.len())), Ok(Some(_))));
        let over = request_in(text.as_bytes(), &cuts, &limits(text.len() - 1));
        assert_eq!(over, Err(Refusal::HeadTooLarge));
    }
    let endless = "GET / HTTP/1.1\r\nHost: a.test\r\nA: ".to_owned() + &"b".repeat(64 * 1024);
    assert_eq!(refused(&endless).status(), 431);
}

#[test]
fn a_head_has_as_many_fields_as_the_limit_and_no_more() {
    let text =
        |fields: usize| format!("GET / HTTP/1.1\r\nHost: a.test\r\n{}\r\n", "A: b\r\n".repeat(fields - 1));
    assert_eq!(accepted(&text(100)).fields.len(), 100);
    assert_eq!(refused(text(101)), Refusal::TooManyFields);
    assert_eq!(Refusal::TooManyFields.status(), 431);
}

#[test]
fn a_target_has_as_many_bytes_as_the_limit_and_no_more() {
    let limit = HeadLimits::default().uri_bytes;
    let target = |bytes: usize| "/".repeat(bytes);
    let whole = |bytes| format!("GET {} HTTP/1.1\r\nHost: a.test\r\n\r\n", target(bytes));
    assert_eq!(accepted(&whole(limit)).path.len(), limit);
    assert_eq!(refused(whole(limit + 1)), Refusal::UriTooLong);
    assert_eq!(Refusal::UriTooLong.status(), 414);
}

#[test]
fn a_target_without_an_end_is_refused_as_soon_as_it_is_too_long() {
    let limits = HeadLimits::default();
    let endless = "GET ".to_owned() + &"/".repeat(17 * 1024);
    let led = "\r\n".to_owned() + &endless;
    for cuts in [vec![], vec![1; endless.len()], vec![9000; 2], vec![1000; 17]] {
        assert_eq!(request_in(endless.as_bytes(), &cuts, &limits), Err(Refusal::UriTooLong));
        assert_eq!(request_in(led.as_bytes(), &cuts, &limits), Err(Refusal::UriTooLong));
    }
}

#[test]
fn a_method_is_any_token_of_a_sane_length() {
    assert_eq!(accepted("get / HTTP/1.1\r\nHost: a.test\r\n\r\n").method, "get");
    assert_eq!(accepted("PROPFIND / HTTP/1.1\r\nHost: a.test\r\n\r\n").method, "PROPFIND");
    assert_eq!(accepted("M-SEARCH!#$%&'*+.^_`|~ / HTTP/1.1\r\nHost: a.test\r\n\r\n").method.len(), 22);
    let endless = "A".repeat(100);
    assert_eq!(refused(format!("{endless} / HTTP/1.1\r\nHost: a.test\r\n\r\n")), Refusal::BadRequestLine);
    assert_eq!(refused(endless), Refusal::BadRequestLine);
}

#[test]
fn safe_and_idempotent_are_what_the_standard_says() {
    for (token, method, safe, idempotent) in [
        ("GET", Method::Get, true, true),
        ("HEAD", Method::Head, true, true),
        ("OPTIONS", Method::Options, true, true),
        ("PUT", Method::Put, false, true),
        ("DELETE", Method::Delete, false, true),
        ("POST", Method::Post, false, false),
        ("PATCH", Method::Patch, false, false),
        ("BREW", Method::Other, false, false),
    ] {
        assert_eq!(Method::of(token.as_bytes()), method);
        assert_eq!((method.is_safe(), method.is_idempotent()), (safe, idempotent), "{token}");
    }
}

#[test]
fn one_head_serves_many_requests_in_a_row() {
    let mut head = RequestHead::default();
    let limits = HeadLimits::default();
    let mut buffer =
        b"GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: b.test\r\n\r\nGET /3".to_vec();
    let mut paths = Vec::new();
    while head.parse(&buffer, &limits).expect("good requests") {
        paths.push(head.path.of(&buffer).to_vec());
        buffer.drain(..head.length);
        head.clear();
    }
    assert_eq!(paths, [b"/1", b"/2"]);
    assert_eq!(buffer, b"GET /3");
}

#[test]
fn the_path_without_its_query_is_never_empty() {
    let limits = HeadLimits::default();
    for (target, path) in
        [("/a/b?c?d", "/a/b"), ("/", "/"), ("/?", "/"), ("http://a.test", "/"), ("http://a.test?b", "/")]
    {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let mut head = RequestHead::default();
        assert_eq!(head.parse(text.as_bytes(), &limits), Ok(true));
        assert_eq!(head.path_without_query(text.as_bytes()), path.as_bytes(), "{target}");
    }
}
