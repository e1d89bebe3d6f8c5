//! Request heads that must be refused: name, bytes, status, token.

/// A request that must be refused.
pub(crate) struct Case {
    pub(crate) bytes: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) token: &'static str,
}

fn case(bytes: impl Into<Vec<u8>>, status: u16, token: &'static str) -> Case {
    Case { bytes: bytes.into(), status, token }
}

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    [lengths(), codings(), lines(), fields(), targets(), hosts(), limits(), others()]
        .into_iter()
        .flatten()
        .collect()
}

/// A POST with these fields and nothing behind its head.
fn post(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n\r\n")
}

/// A GET with these fields.
fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n\r\n")
}

fn lengths() -> Vec<Case> {
    let bad = [
        "",
        "+5",
        "-5",
        "5 5",
        "0x5",
        "5a",
        "a",
        "1e1",
        "5.0",
        "5;",
        "\"5\"",
        "5, 5",
        "5,6",
        "5,",
        ",5",
        "0, 0",
        "18446744073709551616",
        "99999999999999999999999",
        "\u{ff15}",
        "5\u{b}",
        "5\u{a0}",
    ];
    let mut cases: Vec<Case> = bad
        .iter()
        .map(|value| case(post(&format!("Content-Length: {value}")), 400, "bad_content_length"))
        .collect();
    // A control is seen before the number is.
    cases.iter_mut().filter(|case| case.bytes.contains(&0xb)).for_each(|case| case.token = "bad_field");
    for (one, other) in [("5", "5"), ("5", "6"), ("0", "5"), ("5", "")] {
        let fields = format!("Content-Length: {one}\r\nContent-Length: {other}");
        cases.push(case(post(&fields), 400, "repeated_content_length"));
    }
    cases.push(case(post("Content-Length: 0\r\nX: y\r\ncontent-length: 0"), 400, "repeated_content_length"));
    cases.push(case(post("Content_Length: 5\r\nContent-Length: 0"), 400, "ambiguous_field_name"));
    cases.push(case(post("content_length: 5"), 400, "ambiguous_field_name"));
    cases
}

fn codings() -> Vec<Case> {
    let unknown = [
        "xchunked",
        "chunkedx",
        "chunked, chunked",
        "chunked, identity",
        "identity",
        "gzip",
        "chunked, gzip",
        "",
        ",",
        "chunked,",
        "identity, chunked, chunked",
        "chunked;q=1",
        "\"chunked\"",
        "chu nked",
        "'chunked'",
        "chunked\u{a0}",
        "gzip chunked",
    ];
    let mut cases: Vec<Case> = unknown
        .iter()
        .map(|value| case(post(&format!("Transfer-Encoding: {value}")), 400, "bad_transfer_coding"))
        .collect();
    for value in ["gzip, chunked", "deflate;a=b, gzip, chunked"] {
        cases.push(case(post(&format!("Transfer-Encoding: {value}")), 501, "unsupported_transfer_coding"));
    }
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Transfer-Encoding: identity\r\nContent-Length: 5",
        "Transfer-Encoding:\r\nContent-Length: 5",
        "Transfer-Encoding: chunked\r\nContent-Length:",
    ] {
        cases.push(case(post(fields), 400, "conflicting_framing"));
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked";
    cases.push(case(post(twice), 400, "bad_transfer_coding"));
    cases.push(case(
        post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"),
        400,
        "bad_transfer_coding",
    ));
    cases.push(case(post("Transfer_Encoding: chunked"), 400, "ambiguous_field_name"));
    let old = "POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    cases.push(case(old, 400, "bad_transfer_coding"));
    for hidden in [
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding: chunked\u{c}",
        "Transfer-\rEncoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "Transfer-Encoding: chun\0ked",
        "\u{7f}Transfer-Encoding: chunked",
    ] {
        cases.push(case(post(hidden), 400, "bad_field"));
    }
    cases
}

fn lines() -> Vec<Case> {
    let bad = |bytes: &str| case(bytes, 400, "bad_request_line");
    let mut cases: Vec<Case> = [
        "GET /\r\n\r\n",
        "GET / \r\nHost: a.test\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /  HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /\tHTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n",
        "GET / http/1.1\r\nHost: a.test\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: a.test\r\n\r\n",
        "GET / HTTP/1.10\r\nHost: a.test\r\n\r\n",
        "GET / HTTP/01.1\r\nHost: a.test\r\n\r\n",
        "GET / HTTP/1\r\nHost: a.test\r\n\r\n",
        "GET / HTTP/1.\r\nHost: a.test\r\n\r\n",
        "GET / HTTP /1.1\r\nHost: a.test\r\n\r\n",
        "GET / HTTP-1.1\r\nHost: a.test\r\n\r\n",
        "GET / XTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET\r\nHost: a.test\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /\u{1} HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /\u{7f} HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /\r HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "\rGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "HTTP/1.1 200 OK\r\nHost: a.test\r\n\r\n",
    ]
    .into_iter()
    .map(bad)
    .collect();
    cases.push(bad(&format!("{} / HTTP/1.1\r\nHost: a.test\r\n\r\n", "M".repeat(65))));
    for version in ["2.0", "3.0", "0.9", "9.9"] {
        let line = format!("GET / HTTP/{version}\r\nHost: a.test\r\n\r\n");
        cases.push(case(line, 505, "unsupported_version"));
    }
    cases.push(case("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "unsupported_version"));
    for garbage in [
        &b" GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"\0\0\0\0",
        b"\xff\xfe",
    ] {
        cases.push(case(garbage, 400, "not_http"));
    }
    for bare in [
        "GET / HTTP/1.1\nHost: a.test\n\n",
        "GET / HTTP/1.1\nHost: a.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nX: y\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\n\n",
        "\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.test\r\nX: y\nContent-Length: 5\r\n\r\n",
    ] {
        cases.push(case(bare, 400, "bare_line_feed"));
    }
    cases
}

fn fields() -> Vec<Case> {
    let bad = [
        "no colon",
        ": no name",
        "X Y: z",
        "X : y",
        "X\t: y",
        " X: y",
        "X(Y): z",
        "X\"Y: z",
        "X/Y: z",
        "X,Y: z",
        "X[Y]: z",
        "X{Y}: z",
        "X\\Y: z",
        "X;Y: z",
        "X=Y: z",
        "X@Y: z",
        "\u{e4}: y",
        "X\0: y",
        "X\u{7f}: y",
        "X: \0",
        "X: y\0z",
        "X: \u{1}",
        "X: \u{1f}",
        "X: \u{7f}",
        "X: y\u{8}",
        "X: y\rz",
        "X: y\r\r",
        "X: y\r\n folded",
        "X: y\r\n\tfolded",
        "X:\r\n y",
        "\rX: y",
        "=: y",
        "X\r: y",
    ];
    let mut cases: Vec<Case> = bad.iter().map(|field| case(get(field), 400, "bad_field")).collect();
    cases.push(case("GET / HTTP/1.1\r\n Host: a.test\r\n\r\n", 400, "bad_field"));
    cases.push(case("GET / HTTP/1.1\r\nHost : a.test\r\n\r\n", 400, "bad_field"));
    for folds in [
        "X_Forwarded_For",
        "x-forwarded_proto",
        "X_Real_IP",
        "Keep_Alive",
        "HTTP2_Settings",
        "X.Forwarded.For",
        "X-Real.IP",
        "Content!Length",
        "X_Request_Id",
        "x_forwarded_",
    ] {
        cases.push(case(get(&format!("{folds}: y")), 400, "ambiguous_field_name"));
    }
    cases
}

fn targets() -> Vec<Case> {
    let bad = [
        "/#fragment",
        "/?#",
        "a.test",
        "a.test:80",
        "*",
        "a/b",
        "?q",
        "ftp://a.test/",
        "http:/a.test/",
        "http://",
        "http:///a",
        "http://?q",
        "http://user@a.test/",
        "http://user:pw@a.test/",
        "http://a.test:x/",
        "http://a.test:99999/",
        "http://[::1/",
        "https:a.test",
        "mailto:a",
        "\u{e4}",
        "/\u{e4}",
        "javascript:1",
    ];
    let line = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut cases: Vec<Case> = bad.iter().map(|target| case(line(target), 400, "bad_target")).collect();
    for other in
        ["http://b.test/", "http://a.test:81/", "https://a.test:80/", "http://a.test.b/", "http://[::1]/"]
    {
        cases.push(case(line(other), 400, "host_mismatch"));
    }
    cases
}

fn hosts() -> Vec<Case> {
    let bad = [
        "",
        "a b",
        "a\tb",
        "a,b",
        "a, a",
        "user@a.test",
        "a.test:",
        "a.test:x",
        "a.test:80:80",
        "a.test:65536",
        "a.test:0",
        "a.test:-1",
        "a.test:+80",
        ":80",
        "[::1",
        "::1",
        "[]",
        "[::1]x",
        "[::g]",
        "[::1]:",
        "[::1]:x",
        "[a.test]",
        "a/b",
        "a.test/",
        "a?b",
        "a#b",
        "a\\b",
        "a%00",
        "\"a\"",
        "<a>",
        "a;b",
        "\u{e4}.test",
        "http://a.test",
        "a.test@b.test",
        "[fe80::1%25eth0]",
        "(a)",
        "a&b",
        "a=b",
        "a'b",
        "*.test",
    ];
    let line = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut cases: Vec<Case> = bad.iter().map(|host| case(line(host), 400, "bad_host")).collect();
    cases.push(case("GET / HTTP/1.1\r\n\r\n", 400, "missing_host"));
    cases.push(case("GET http://a.test/ HTTP/1.1\r\n\r\n", 400, "missing_host"));
    for (one, other) in [("a.test", "a.test"), ("a.test", "b.test"), ("a.test", "")] {
        let both = format!("GET / HTTP/1.1\r\nHost: {one}\r\nHost: {other}\r\n\r\n");
        cases.push(case(both, 400, "repeated_host"));
    }
    cases.push(case("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", 400, "repeated_host"));
    cases.push(case("GET / HTTP/1.0\r\nHost:\r\n\r\n", 400, "bad_host"));
    cases
}

fn limits() -> Vec<Case> {
    let long = "x".repeat(5000);
    let twenty: String = (0..20).map(|number| format!("X-{number}: y\r\n")).collect();
    vec![
        case(get(&format!("X: {long}")), 431, "head_too_large"),
        case(get(&format!("{long}: y")), 431, "head_too_large"),
        case(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{twenty}\r\n"), 431, "too_many_fields"),
        case(format!("GET /{long} HTTP/1.1\r\nHost: a.test\r\n\r\n"), 414, "uri_too_long"),
        case(format!("GET /{} HTTP/1.1\r\nHost: a.test\r\n\r\n", &long[..1024]), 414, "uri_too_long"),
        case(post("Content-Length: 10241"), 413, "body_too_large"),
        case(post("Content-Length: 18446744073709551615"), 413, "body_too_large"),
    ]
}

fn others() -> Vec<Case> {
    let options = vec!["a"; 65].join(",");
    vec![
        case("TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", 405, "method_not_allowed"),
        case("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", 405, "method_not_allowed"),
        case("CONNECT a.test:443 HTTP/1.1\r\n\r\n", 405, "method_not_allowed"),
        case("trace / HTTP/1.1\r\nHost: a.test\r\n\r\n", 405, "method_not_allowed"),
        case("Connect a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", 405, "method_not_allowed"),
        case(post("Content-Length: 1\r\nExpect: 200-maybe"), 417, "expectation_failed"),
        case(
            post("Content-Length: 1\r\nExpect: 100-continue\r\nExpect: 100-continue"),
            417,
            "expectation_failed",
        ),
        case(get(&format!("Connection: {options}")), 400, "too_many_connection_options"),
    ]
}
