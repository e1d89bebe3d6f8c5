//! What to say about a text that is not YAML.

/// What is wrong, and how to mend it, by what the parser says and the line that it stopped in.
pub(super) fn explain(said: &str, line: &str) -> (String, &'static str) {
    let message = match said {
        said if said.contains("unknown anchor") => "this is not YAML: `*` stands for an alias here".into(),
        said => format!("this is not YAML: {said}"),
    };
    (message, syntax_help(line))
}

/// The slips that people make in YAML, by the line that the parser stopped in.
fn syntax_help(line: &str) -> &'static str {
    let code = line.trim_start();
    if code.starts_with('\t') || line.starts_with('\t') {
        "indent with spaces, not with tabs"
    } else if line.contains("*.") || line.contains(": *") {
        "a value that begins with `*` needs quotes: \"*.example.com\""
    } else if line.contains("${") {
        "a `${NAME}` between `{ }` or `[ ]` needs quotes: \"${NAME}\""
    } else if line.contains('[') && line.contains("::") {
        "an IPv6 address needs quotes: \"[::1]:8080\""
    } else {
        "check the indentation, and that every quote and bracket is closed"
    }
}
