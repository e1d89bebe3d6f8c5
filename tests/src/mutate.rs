//! Bytes made wrong at random, the same for the same seed.

/// Pieces that messages are made of, and that break them.
const TOKENS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"\0",
    b"0",
    b"0\r\n\r\n",
    b"5\r\n",
    b"ffffffff",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: X-A, TE\r\n",
    b"Host: b.test\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
    b"HTTP/1.1 ",
    b"HTTP/1.0",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"chunked",
    b"X_Y: z\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"\xff",
    b"Trailer: X-A\r\n",
    b"\r\n folded",
    b"18446744073709551615",
    b"-1",
];

/// A source of choices.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same choices for the same seed.
    pub fn new(seed: u64) -> Self {
        Dice(seed)
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        (self.roll() % end.max(1) as u64) as usize
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these, of which there is at least one.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Changes `bytes` in one to four places; `others` are what pieces may come from.
pub fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(12)).min(bytes.len());
        match dice.below(8) {
            0 if at < bytes.len() => bytes[at] = dice.roll() as u8,
            1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            4 => bytes.truncate(at),
            5 => {
                let other = dice.pick(others).clone();
                let from = dice.below(other.len() + 1);
                bytes.splice(at..end, other[from..].iter().copied());
            }
            _ => drop(bytes.splice(at..at, dice.pick(TOKENS).iter().copied())),
        }
        bytes.truncate(8192);
    }
}

/// Where `length` bytes are cut into pieces: rarely, often, or at every byte.
pub fn cuts(dice: &mut Dice, length: usize) -> Vec<usize> {
    let longest = *dice.pick(&[usize::MAX, 64, 16, 3, 1]);
    let (mut cuts, mut at) = (Vec::new(), 0);
    while at < length {
        let piece = 1 + dice.below(longest.min(length));
        cuts.push(piece.min(length - at));
        at += piece;
    }
    cuts
}

/// The seed to begin with, and whether it is all that shall be run: `EVENKEEL_SEED`, else the clock.
pub fn first_seed() -> (u64, bool) {
    match std::env::var("EVENKEEL_SEED").ok().and_then(|text| text.parse().ok()) {
        Some(seed) => (seed, true),
        None => {
            let now = std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos());
            (now as u64, false)
        }
    }
}

/// How long to go on: `EVENKEEL_FUZZ_SECONDS`, else so many.
pub fn time(seconds: u64) -> std::time::Duration {
    let asked = std::env::var("EVENKEEL_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    std::time::Duration::from_secs(asked.unwrap_or(seconds))
}

/// The files of `tests/corpus/KIND`, in order of their names.
pub fn corpus(kind: &str) -> Vec<Vec<u8>> {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = here.ancestors().map(|folder| folder.join("tests/corpus")).find(|folder| folder.exists());
    let folder = folder.expect("the corpus is in the workspace").join(kind);
    let entries = std::fs::read_dir(folder).expect("the corpus is a folder");
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("a file of the corpus")).collect()
}
