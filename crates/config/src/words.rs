//! How problems quote what an operator wrote, and what they suggest instead.

/// Longest piece of a file that a message repeats, in characters.
const LONGEST_QUOTE: usize = 60;

/// The text, cut where a message would drown in it; control characters are escaped.
pub(crate) fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST_QUOTE).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    if shown.chars().any(char::is_control) { shown.escape_debug().to_string() } else { shown }
}

/// The text in backticks.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", shortened(text))
}

/// `a`, `b` and `c`.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut words: Vec<String> = words.into_iter().map(quoted).collect();
    match words.pop() {
        None => String::new(),
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} and {last}", words.join(", ")),
    }
}

/// The known word that was probably meant: one that differs by a slip or two, or that begins alike.
pub(crate) fn meant<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |word: &str| shortened(word).to_lowercase().replace('-', "_");
    let written = plain(written);
    let likeness = |word: &str| {
        let word = plain(word);
        let slips = strsim::osa_distance(&written, &word);
        let is_slip = slips <= 1.max(word.len() / 4) && slips < word.len();
        strsim::jaro_winkler(&written, &word) + if is_slip { 1.0 } else { 0.0 }
    };
    let known = known.into_iter().map(|word| (likeness(word), word));
    let best = known.max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(likeness, _)| *likeness >= 0.84).map(|(_, word)| word)
}

/// "did you mean `backends`? " or nothing.
pub(crate) fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    meant(written, known).map_or_else(String::new, |word| format!("did you mean {}? ", quoted(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        let keys = ["backends", "balance", "timeouts", "retry"];
        assert_eq!(meant("backend", keys), Some("backends"));
        assert_eq!(meant("Backends", keys), Some("backends"));
        assert_eq!(meant("timeout", keys), Some("timeouts"));
        assert_eq!(meant("xyz", keys), None);
        assert_eq!(meant("wbe", ["api", "web"]), Some("web"));
        assert_eq!(meant("b", ["a"]), None);
    }

    #[test]
    fn a_long_text_is_cut_and_a_control_character_escaped() {
        assert_eq!(shortened(&"a".repeat(100)).len(), 63);
        assert_eq!(quoted("a\u{1b}[31m"), "`a\\u{1b}[31m`");
    }
}
