//! Changes bytes at random.

use fastrand::Rng;

/// Makes new inputs out of known ones.
#[derive(Debug)]
pub struct Mutator {
    random: Rng,
    seeds: Vec<Vec<u8>>,
}

/// What often leads somewhere.
const WORDS: &[&[u8]] = &[
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\\",
    b"\\u",
    b"\\ud800",
    b"null",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-0",
    b"18446744073709551616",
    b"\"event_id\":\"\"",
    b"\"trace_id\":null",
    b"\xff",
    b"\0",
    b"\xe2\x80\xa8",
];

impl Mutator {
    /// A mutator of these inputs; the same inputs and number give the same mutations.
    pub fn new(seeds: Vec<Vec<u8>>, number: u64) -> Self {
        Self {
            random: Rng::with_seed(number),
            seeds,
        }
    }

    /// Another input.
    pub fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.some();
        for _ in 0..self.random.u32(1..12) {
            self.change(&mut input);
        }
        input
    }

    fn some(&mut self) -> Vec<u8> {
        let index = self.random.usize(..self.seeds.len());
        self.seeds[index].clone()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let random = &mut self.random;
        let at = random.usize(..=input.len());
        let end = (at + random.usize(..64)).min(input.len());
        match random.u8(..8) {
            0 if at < input.len() => input[at] ^= 1 << random.u8(..8),
            1 if at < input.len() => input[at] = random.u8(..),
            2 => input.insert(at, random.u8(..)),
            3 => drop(input.drain(at..end)),
            4 => {
                let copy = input[at..end].to_vec();
                let to = random.usize(..=input.len());
                input.splice(to..to, copy);
            }
            5 => {
                let word = WORDS[random.usize(..WORDS.len())];
                input.splice(at..end.min(at + word.len()), word.iter().copied());
            }
            6 => input.truncate(at),
            _ => {
                let other = self.some();
                let from = self.random.usize(..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
}
