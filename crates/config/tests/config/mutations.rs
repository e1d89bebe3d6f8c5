//! Whatever a file holds, it is read or refused, never a panic; and every problem points into the file.

use proptest::prelude::*;

use crate::example;

/// Pieces of YAML that are likely to meet code of their own.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    "- ",
    ",",
    "\n",
    "\n  ",
    "\t",
    "\"",
    "'",
    "|",
    ">",
    "&a ",
    "*a",
    "!t ",
    "<<: *a",
    "---",
    "...",
    "? ",
    "#",
    "%YAML 1.2\n",
    "${",
    "${A}",
    "${A:-b}",
    "$${",
    "off",
    "null",
    "~",
    "0",
    "-1",
    "1e99",
    "0x10",
    "5s",
    "64k",
    "20%",
    "%",
    "0.2",
    "99999999999999999999",
    "\u{feff}",
    "\u{0}",
    "\u{85}",
    "\u{2028}",
    "\r",
    "ä",
    "😀",
    "listeners:",
    "pools:",
    "web:",
    "127.0.0.1:80",
    "[::]:80",
    "200-299",
    "1.9",
    "tcp: true",
    "https://",
    "tls: ",
    "/etc/",
];

fn check(text: &str) {
    let environment = |name: &str| (name == "A").then(|| "x: [1]\n".to_string());
    let Err(problems) = evenkeel_config::parse(text, "test.yaml", &environment) else { return };
    assert!(!problems.is_empty());
    let lines = text.split('\n').count();
    for problem in problems.iter() {
        assert!((1..=lines).contains(&problem.line) && problem.column >= 1, "{problem:?}");
        assert!(!problem.message.is_empty(), "{problem:?}");
    }
    assert!(problems.to_string().contains("problem"));
    assert!(problems.coloured().contains("problem"));
}

fn mutated(text: &str, changes: &[(usize, usize, usize)]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (at, removed, piece) in changes {
        let at = at % (characters.len() + 1);
        let end = (at + removed).min(characters.len());
        let piece = PIECES.get(*piece).copied().unwrap_or_default();
        characters.splice(at..end, piece.chars());
    }
    characters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_file_never_panics(
        changes in prop::collection::vec((0..10_000_usize, 0..12_usize, 0..PIECES.len() + 3), 1..8),
        name in prop::sample::select(vec!["full.yaml", "routes.yaml", "health.yaml", "environment.yaml", "tls.yaml"]),
    ) {
        check(&mutated(&example(name), &changes));
    }

    #[test]
    fn any_text_never_panics(pieces in prop::collection::vec(0..PIECES.len(), 0..40), text in any::<String>()) {
        check(&text);
        let pieces: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        check(&pieces);
        check(&(pieces + &text));
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn deep_nesting_is_refused() {
    for open in ["[", "{a: ", "- ", "? "] {
        let text = open.repeat(10_000);
        check(&text);
        let problems = crate::parse(&text).unwrap_err();
        assert!(problems.len() <= 2, "{open}: {problems}");
    }
    let nested = format!("x: {}{}", "[".repeat(70), "]".repeat(70));
    assert_eq!(crate::found(&nested)[0].0, "too-large");
}

#[test]
fn a_file_of_more_than_a_mebibyte_is_refused() {
    let text = "#".repeat((1 << 20) + 1);
    assert_eq!(crate::found(&text), [("too-large", String::new(), 0)]);
    assert_eq!(crate::found(&text[..1 << 20])[0].0, "empty");
}

#[test]
fn a_file_full_of_problems_shows_the_first_hundred() {
    let backends: String = (0..20_000).map(|_| "      - nowhere\n").collect();
    let text =
        format!("listeners: [{{ address: \"127.0.0.1:80\" }}]\npools:\n  web:\n    backends:\n{backends}");
    let problems = crate::parse(&text).unwrap_err();
    assert_eq!(problems.iter().count(), 100);
    assert!(problems.to_string().ends_with("test.yaml: 100 problems, and perhaps more"), "{problems}");
}
