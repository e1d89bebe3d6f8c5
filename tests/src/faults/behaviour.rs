//! What a backend does with requests: the words of its orders.

use std::time::Duration;

/// How long an idle connection lives before [`Behaviour::CloseIdle`] closes it.
pub(crate) const IDLE: Duration = Duration::from_secs(1);

/// What a backend does with each request that it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Answers 200.
    Well,
    /// Reads on and never answers.
    Hang,
    /// Resets the connection.
    Reset,
    /// Closes the connection.
    Close,
    /// Answers 502.
    Status502,
    /// Answers something that is not HTTP, and closes.
    Garbage,
    /// Answers 200, and closes connections that have been idle for [`IDLE`].
    CloseIdle,
}

impl Behaviour {
    const WORDS: [(Behaviour, &str); 7] = [
        (Behaviour::Well, "well"),
        (Behaviour::Hang, "hang"),
        (Behaviour::Reset, "reset"),
        (Behaviour::Close, "close"),
        (Behaviour::Status502, "502"),
        (Behaviour::Garbage, "garbage"),
        (Behaviour::CloseIdle, "close-idle"),
    ];

    /// As an order says it.
    pub(crate) fn word(self) -> &'static str {
        let found = Behaviour::WORDS.iter().find(|(behaviour, _)| *behaviour == self);
        found.expect("every behaviour has a word").1
    }

    /// What an order says.
    pub(crate) fn of(word: &str) -> Option<Behaviour> {
        let found = Behaviour::WORDS.iter().find(|(_, known)| *known == word);
        found.map(|(behaviour, _)| *behaviour)
    }
}
