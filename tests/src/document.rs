//! Sections of a document that programs write: each between two markers of its own, the rest as its authors left it; and
//! the tables in them.

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

/// A table: words in the first column, figures in the others.
pub fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<_> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rule = format!("|---|{}\n", "---:|".repeat(head.len() - 1));
    rows.into_iter().fold(line(&head) + &rule, |table, row| table + &line(&row))
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
    fn figures_of_a_table_stand_to_the_right() {
        let text = table(&["fault", "a", "b"], [vec!["x".to_owned(), "1".to_owned(), "2".to_owned()]]);
        assert_eq!(text, "| fault | a | b |\n|---|---:|---:|\n| x | 1 | 2 |\n");
    }

    #[test]
    fn a_section_that_is_not_there_yet_comes_last() {
        assert_eq!(with("# Title\n", "a", "x"), "# Title\n\n<!-- a: begin -->\nx\n<!-- a: end -->\n");
        assert_eq!(with("", "a", "x"), "<!-- a: begin -->\nx\n<!-- a: end -->\n");
    }
}
