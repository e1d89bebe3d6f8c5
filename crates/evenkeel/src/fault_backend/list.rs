//! The table of faults, for a terminal and for the manual.

use std::fmt::Write;

use super::fault::Row;
use super::table::TABLE;

const COLUMNS: [&str; 5] = ["FAULT", "ROW", "BEFALLS", "EVENKEEL REPORTS", "WHAT IT DOES"];

/// For a terminal: columns, the last one as long as it is.
pub(crate) fn aligned() -> String {
    let rows: Vec<_> = TABLE.iter().map(cells).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].len());
        cells.chain([COLUMNS[column].len()]).max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2), width(3)];
    let mut text = String::new();
    for row in [COLUMNS.map(str::to_owned)].iter().chain(&rows) {
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a string does not fail.
            let _ = write!(text, "{cell:<width$}  ");
        }
        text.push_str(&row[4]);
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

fn cells(row: &Row) -> [String; 5] {
    [row.name.into(), row.rows.into(), row.level.as_str().into(), row.cause(), row.sentence.into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the manual has it.
    fn markdown() -> String {
        let mut text = String::from(
            "| fault | row | befalls | evenkeel reports | what it does |\n|---|---|---|---|---|\n",
        );
        for [name, rows, level, cause, sentence] in TABLE.iter().map(cells) {
            let cause = match cause.as_str() {
                "-" => cause,
                cause => {
                    cause.split(" or ").map(|token| format!("`{token}`")).collect::<Vec<_>>().join(" or ")
                }
            };
            text.push_str(&format!("| `{name}` | {rows} | {level} | {cause} | {sentence} |\n"));
        }
        text
    }

    #[test]
    fn the_manual_has_this_very_table() {
        let manual = include_str!("../../../../docs/fault-backend.md");
        let table = markdown();
        assert!(manual.contains(&table), "docs/fault-backend.md should have:\n{table}");
    }

    #[test]
    fn the_columns_are_aligned() {
        let text = aligned();
        assert_eq!(text.lines().count(), TABLE.len() + 1);
        let starts = text.lines().map(|line| line.as_bytes()[..line.len().min(9)].to_vec());
        assert!(text.lines().next().unwrap().starts_with("FAULT  "));
        assert!(starts.count() > 0);
        let column = text.lines().next().unwrap().find("WHAT").unwrap();
        for line in text.lines() {
            assert_eq!(line.as_bytes()[column - 1], b' ', "{line}");
            assert!(line.as_bytes()[column].is_ascii_uppercase(), "{line}");
        }
    }
}
