//! What a proxy repairs in the head of a response (RFC 9112, 5.1 and 5.2): folded lines, and whitespace between a
//! name and its colon.
//!
//! Repairs are made in place and keep the length, so that nothing moves and the strict tokeniser can read the result.

use memchr::memchr;

use crate::field::is_token_byte;

/// Repairs every line that has come. Returns how much of `head` can be judged: all of it, unless it ends in a name
/// and whitespace, where the colon may still come.
#[cold]
pub(crate) fn repair(head: &mut [u8]) -> usize {
    let Some(fields) = next_line(head, 0) else { return head.len() };
    let mut line = fields;
    loop {
        match head.get(line).copied() {
            Some(b' ' | b'\t') if line > fields => head[line - 2..line].fill(b' '),
            // Whitespace before the first field is no continuation of anything.
            Some(b' ' | b'\t' | b'\r') | None => return head.len(),
            Some(_) if !pull_colon(&mut head[line..]) => return line,
            Some(_) => {}
        }
        match next_line(head, line) {
            Some(next) => line = next,
            None => return head.len(),
        }
    }
}

/// Where the line after the one at `start` begins. `None` if it has not come, or if a bare LF ends this one.
fn next_line(head: &[u8], start: usize) -> Option<usize> {
    let end = start + memchr(b'\n', &head[start..])?;
    (end > 0 && head[end - 1] == b'\r').then_some(end + 1)
}

/// Moves the colon to the end of the name. False if the line ends before it is known whether there is one.
fn pull_colon(line: &mut [u8]) -> bool {
    let Some(name_end) = line.iter().position(|byte| !is_token_byte(*byte)) else { return true };
    let gap = line[name_end..].iter().position(|byte| !matches!(byte, b' ' | b'\t'));
    match gap.map(|gap| name_end + gap) {
        None => name_end == 0,
        Some(colon) => {
            if line[colon] == b':' && name_end > 0 {
                line[colon] = b' ';
                line[name_end] = b':';
            }
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(head: &str) -> (String, usize) {
        let mut bytes = head.as_bytes().to_vec();
        let sure = repair(&mut bytes);
        (String::from_utf8(bytes).expect("only ASCII"), sure)
    }

    #[test]
    fn a_fold_becomes_spaces() {
        let head = "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\td\r\n\r\n";
        assert_eq!(repaired(head).0, "HTTP/1.1 200 OK\r\nA: b   c  \td\r\n\r\n");
    }

    #[test]
    fn a_colon_moves_to_its_name() {
        let head = "HTTP/1.1 200 OK\r\nA \t: b : c\r\nB:\r\n\r\n";
        assert_eq!(repaired(head).0, "HTTP/1.1 200 OK\r\nA:\t  b : c\r\nB:\r\n\r\n");
    }

    #[test]
    fn nothing_behind_the_head_is_touched() {
        let head = "HTTP/1.1 200 OK\r\nA: b\r\n\r\nB : c\r\n d\r\n";
        assert_eq!(repaired(head), (head.to_owned(), head.len()));
    }

    #[test]
    fn whitespace_before_the_first_field_stays_an_error() {
        let head = "HTTP/1.1 200 OK\r\n A: b\r\nC : d\r\n\r\n";
        assert_eq!(repaired(head).0, head);
    }

    #[test]
    fn a_name_whose_colon_has_not_come_is_not_judged() {
        let head = "HTTP/1.1 200 OK\r\nA: b\r\nC ";
        assert_eq!(repaired(head).1, head.len() - 2);
    }
}
