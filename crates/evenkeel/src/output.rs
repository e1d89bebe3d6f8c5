//! What a command prints on standard output.

use std::io::{self, Write};
use std::process::ExitCode;

/// Prints a text and the end of its line. A reader that has seen enough, such as `head`, is no failure.
pub(crate) fn print(text: &str) -> ExitCode {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("error: standard output: {error}");
            ExitCode::FAILURE
        }
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}
