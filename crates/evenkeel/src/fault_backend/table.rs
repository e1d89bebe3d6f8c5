//! Everything that can be wrong with a backend: one row each for its name, the row of the table of failures that it
//! shows, and what evenkeel reports.
//!
//! `--list` and the manual print this table.

use evenkeel_model::Cause;

use super::fault::{Fault, Level, Row};
use super::options::Key;

/// Every fault, by how far a request comes with it.
#[rustfmt::skip]
pub(crate) const TABLE: &[Row] = {
    use Cause::*;
    use Key::*;
    use Level::{Backend, Connection, Request};
    &[
        row("refuse", Fault::Refuse, "C1", &[ConnectRefused], Backend, &[],
            "Closes its port and every idle connection, like a process that was killed."),
        row("accept-full", Fault::AcceptFull, "C4", &[ConnectTimeout], Backend, &[],
            "Accepts nobody, with a full queue, like a process that is stuck."),
        row("close-on-accept", Fault::CloseOnAccept, "S2", &[ClosedBeforeResponse], Connection, &[],
            "Closes each connection as it is accepted."),
        row("reset-on-accept", Fault::ResetOnAccept, "S2, C2", &[ClosedBeforeResponse, ConnectReset], Connection, &[],
            "Resets each connection as it is accepted."),
        row("close", Fault::Close, "S2", &[ClosedBeforeResponse], Request, &[],
            "Reads the request and closes; shows as stale_reuse on a reused connection."),
        row("reset", Fault::Reset, "S2", &[ClosedBeforeResponse], Request, &[],
            "Reads the request and resets; shows as stale_reuse on a reused connection."),
        row("stale-close", Fault::StaleClose, "S1", &[StaleReuse], Request, &[],
            "Closes a reused connection as its next request arrives; a fresh one is served."),
        row("idle-close", Fault::IdleClose, "S1", &[StaleReuse], Request, &[After, Announce],
            "Answers, then closes the connection once it was idle for `after` (1s); shows only if a \
             request crosses the close; `announce=yes` tells it in Keep-Alive."),
        row("close-after", Fault::CloseAfter, "S1", &[StaleReuse], Request, &[Count, With],
            "Closes a connection after its response number `count` (1), unannounced, `with=fin` or \
             `with=rst`; shows only if a request crosses the close."),
        row("408-idle", Fault::LateTimeout, "R9", &[StaleReuse], Request, &[],
            "Answers 408 and closes as a request arrives on a reused connection; a fresh one is served."),
        row("half-head", Fault::HalfHead, "R1", &[EofInHead], Request, &[],
            "Closes in the middle of the response head."),
        row("garbage", Fault::Garbage, "R2", &[BadHead], Request, &[],
            "Answers with something that is not HTTP."),
        row("bad-status-line", Fault::BadStatusLine, "R2", &[BadHead], Request, &[],
            "Answers with a status line that has no status."),
        row("bad-field", Fault::BadField, "R2", &[BadHead], Request, &[],
            "Answers with a NUL in a header field."),
        row("bare-lf", Fault::BareLineFeed, "R2", &[BadHead], Request, &[],
            "Ends the lines of its head with LF instead of CR LF."),
        row("conflicting-length", Fault::ConflictingLength, "R2", &[BadHead], Request, &[],
            "Gives two Content-Lengths that differ."),
        row("obs-fold", Fault::FoldedField, "R3", &[], Request, &[],
            "Folds a header field over two lines; evenkeel repairs that."),
        row("space-before-colon", Fault::SpaceBeforeColon, "R3", &[], Request, &[],
            "Has a space before the colon of a header field; evenkeel repairs that."),
        row("huge-head", Fault::HugeHead, "R4", &[HeadTooLarge], Request, &[Bytes],
            "Answers with a head of at least `bytes` (131072)."),
        row("hang", Fault::Hang, "R5, R10", &[HeadTimeout], Request, &[],
            "Reads the request and never answers."),
        row("slow", Fault::Slow, "R5, R10", &[HeadTimeout], Request, &[After],
            "Answers only `after` (3s); a failure where `timeouts.head` is shorter."),
        row("not-reading", Fault::NotReading, "S3", &[WriteTimeout], Request, &[],
            "Reads the head of the request and nothing of its body; shows with bodies of many MiB."),
        row("early-413", Fault::EarlyAnswer, "S4", &[], Request, &[],
            "Answers 413 while the body is still on its way; relayed."),
        row("unsolicited-101", Fault::UnsolicitedUpgrade, "R8", &[UpgradeFailed], Request, &[],
            "Answers 101 to a protocol that nobody asked for."),
        row("wrong-upgrade", Fault::WrongUpgrade, "R8", &[UpgradeFailed], Request, &[],
            "Answers a request for an upgrade with another protocol; others are served."),
        row("half-body", Fault::HalfBody, "B1, B2", &[BodyTruncated], Request, &[After],
            "Closes in the middle of a body with Content-Length, `after` (0s)."),
        row("half-chunked", Fault::HalfChunked, "B1, B2", &[BodyTruncated], Request, &[After],
            "Closes in the middle of a chunked body, `after` (0s)."),
        row("body-stall", Fault::BodyStall, "B3", &[BodyIdleTimeout], Request, &[],
            "Sends half a body and then nothing."),
        row("bad-chunk", Fault::BadChunk, "B4", &[BadChunk], Request, &[],
            "Sends a chunk whose size is no number."),
        row("status/500", Fault::Status, "U2", &[], Request, &[RetryAfter],
            "Answers 500 (or any other status from 200 to 599); relayed."),
        row("status/502", Fault::Status, "U1", &[UpstreamStatus], Request, &[RetryAfter],
            "Answers 502, with Retry-After if `retry_after` says how many seconds."),
        row("status/503", Fault::Status, "U1", &[UpstreamStatus], Request, &[RetryAfter],
            "Answers 503, with Retry-After if `retry_after` says how many seconds."),
        row("status/504", Fault::Status, "U1", &[UpstreamStatus], Request, &[RetryAfter],
            "Answers 504, with Retry-After if `retry_after` says how many seconds."),
        row("many-1xx", Fault::ManyInterim, "R2", &[BadHead], Request, &[Count],
            "Sends `count` (100) informational responses before its answer; a failure above \
             `limits.informational`."),
        row("drip", Fault::Drip, "-", &[], Request, &[Bytes, Every],
            "Sends a body of `bytes` (30), one `every` (100ms): slow, but healthy."),
    ]
};

const fn row(
    name: &'static str,
    fault: Fault,
    rows: &'static str,
    causes: &'static [Cause],
    level: Level,
    keys: &'static [Key],
    sentence: &'static str,
) -> Row {
    Row { name, fault, rows, causes, level, keys, sentence }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_name_stands_twice_and_each_is_one_word() {
        let names: HashSet<_> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), TABLE.len());
        for name in names {
            assert!(
                !name.contains(|letter: char| letter.is_whitespace() || ",?&%".contains(letter)),
                "{name}"
            );
        }
    }

    #[test]
    fn each_row_is_one_sentence() {
        for row in TABLE {
            assert!(row.sentence.ends_with('.') && !row.sentence.contains('|'), "{}", row.name);
        }
    }

    #[test]
    fn an_option_is_named_where_it_is_taken() {
        for row in TABLE {
            for key in row.keys {
                let named = format!("`{}", key.name());
                assert!(row.sentence.contains(&named) || row.name == "status/500", "{}: {named}", row.name);
            }
        }
    }
}
