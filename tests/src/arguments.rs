//! What the command lines of the comparisons have in common.

/// The words between commas, each read.
///
/// # Errors
/// What is wrong with the first that is not understood.
pub fn list<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(read).collect()
}

/// A finite number above zero.
///
/// # Errors
/// What is wrong with it.
pub fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or(format!("{text}: not a positive number"))
}

/// A whole number above zero.
///
/// # Errors
/// What is wrong with it.
pub fn count(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or(format!("{text}: not a whole number above zero"))
}
