//! Sections of a document that programs write: each between two markers of its own, the rest as its authors left it.

use std::path::Path;

/// Replaces a section of a file; one that it does not have yet is put at its end.
pub fn write(file: &Path, section: &str, text: &str) {
    let old = match std::fs::read_to_string(file) {
        Ok(old) => old,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => panic!("{}: {error}", file.display()),
    };
    std::fs::write(file, with(&old, section, text))
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

fn with(old: &str, section: &str, text: &str) -> String {
    let [begin, end] = ["begin", "end"].map(|place| format!("<!-- {section}: {place} -->\n"));
    let new = format!("{begin}{}\n{end}", text.trim());
    let Some((before, rest)) = old.split_once(&begin) else {
        let gap = if old.is_empty() { "" } else { "\n" };
        return format!("{old}{gap}{new}");
    };
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{section} begins and does not end"));
    format!("{before}{new}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_nothing_else() {
        let old =
            "# Title\n\n<!-- a: begin -->\nold\n<!-- a: end -->\n\n<!-- b: begin -->\nb\n<!-- b: end -->\n";
        assert_eq!(with(old, "a", "new\n\n"), old.replace("old", "new"));
    }

    #[test]
    fn a_section_that_is_not_there_yet_comes_last() {
        assert_eq!(with("# Title\n", "a", "x"), "# Title\n\n<!-- a: begin -->\nx\n<!-- a: end -->\n");
        assert_eq!(with("", "a", "x"), "<!-- a: begin -->\nx\n<!-- a: end -->\n");
    }
}
