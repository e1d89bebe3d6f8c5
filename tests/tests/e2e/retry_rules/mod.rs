//! The rules of retries, as a configuration sets them: how many, when, for whom, and at whose cost.

mod attempt_numbers;
mod budget;
mod limits;
mod replay;
mod retry_after;

/// Never ejects, so that a bad backend keeps its turn.
const KEEP: &str = "health: { eject: off }";
