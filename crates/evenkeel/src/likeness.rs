//! What somebody who wrote an unknown word probably meant.

/// Likeness from which a word is suggested, of 1; a word that differs by a slip or two is above that.
const LIKE_ENOUGH: f64 = 0.8;

/// Longest word that is compared with the known ones, in bytes.
const LONGEST_WORD: usize = 60;

/// `did you mean ...? ` if a known word is like it, else nothing.
pub(crate) fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    if written.len() > LONGEST_WORD {
        return String::new();
    }
    let likeness = |word: &str| {
        let slips = strsim::osa_distance(written, word);
        let is_slip = slips <= 1.max(word.len() / 4) && slips < word.len();
        strsim::jaro_winkler(written, word) + if is_slip { 1.0 } else { 0.0 }
    };
    let known = known.into_iter().map(|word| (likeness(word), word));
    let best = known.max_by(|one, other| one.0.total_cmp(&other.0));
    match best {
        Some((likeness, word)) if likeness >= LIKE_ENOUGH => format!("did you mean `{word}`? "),
        Some(_) | None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_a_stranger_is_not() {
        assert_eq!(did_you_mean("hagn", ["hang", "close"]), "did you mean `hang`? ");
        assert_eq!(did_you_mean("rde", ["green", "red"]), "did you mean `red`? ");
        assert_eq!(did_you_mean("xyz", ["hang", "close"]), "");
        assert_eq!(did_you_mean("hang", []), "");
        assert_eq!(did_you_mean(&"h".repeat(100), ["hhhh"]), "");
    }
}
