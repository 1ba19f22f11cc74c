//! What clients do: skewed reads and writes on a small key space.
//!
//! The first letter of a key says what happens to it, so that a checker can be strict where nothing
//! excuses: `k` is read and written, `d` is deleted, too, `t` ends, `a` is appended to, `n` is added
//! to, `x` is written where there is nothing, and deleted, `f` is flushed. Client 0 writes and reads
//! one key after another.

use chickadee::store::Namespace;
use rand::RngExt;
use rand::rngs::ChaCha12Rng;

use crate::plan::{Act, ClientOperation, Options, Timed};

/// How keys begin that lie in a namespace of their own, which is flushed.
pub const FLUSHED: &str = "f";

/// No large value is written so long before the end, in milliseconds.
const LARGE_MS: u64 = 10_000;

/// What values are filled up with.
pub const FILLER: char = '_';

/// All letters that keys begin with.
pub const LETTERS: [char; 7] = ['k', 'd', 't', 'a', 'n', 'x', 'f'];

/// Whether what is written under a key is filled up to [`Options::large_bytes`]: of what is written
/// whole, each tenth.
pub fn is_large(key: &str) -> bool {
    let number = key.strip_prefix(['k', 'd']).and_then(|number| number.parse::<usize>().ok());
    number.is_some_and(|number| number % 10 == 3)
}

/// The namespace of a key.
pub fn namespace(key: &str) -> Namespace {
    Namespace(u16::from(key.starts_with(FLUSHED)))
}

/// Draws the operations of a run, from shortly before the faults to their end.
pub fn draw(options: &Options, rng: &mut ChaCha12Rng) -> Vec<Timed<ClientOperation>> {
    let mut operations = Vec::new();
    let (shortest, longest) = options.pause_ms;
    for client in 0..options.clients {
        let mut at_ms = options.formed_ms.saturating_sub(3_000) + rng.random_range(0..500);
        let mut count = 0;
        while at_ms < options.healed_ms {
            let (key, act) = if client == 0 {
                let key = format!("k{}", count / 2 % options.keys);
                let act = if count % 2 == 0 { Act::Set } else { Act::Get };
                (key, act)
            } else {
                operation(options, rng)
            };
            // What takes longer than an interval on its way is repaired as well, and that is to be
            // over when quiet is demanded.
            let late = options.large_bytes > 0 && at_ms + LARGE_MS > options.healed_ms;
            let act = if late && is_large(&key) { Act::Get } else { act };
            count += 1;
            operations.push(Timed { at_ms, what: ClientOperation { client, key, act } });
            at_ms += rng.random_range(shortest..longest);
        }
    }
    operations.sort_by_key(|operation| operation.at_ms);
    operations
}

fn operation(options: &Options, rng: &mut ChaCha12Rng) -> (String, Act) {
    if rng.random_range(0..1_000_000) < options.hot_ppm {
        let key = "k0".to_owned();
        let act = act(&key, rng);
        return (key, act);
    }
    // The minimum of two draws: the first keys are asked for most.
    let number = rng.random_range(0..options.keys).min(rng.random_range(0..options.keys));
    let letter = match rng.random_range(0..12) {
        _ if rng.random_range(0..1_000_000) < options.flushed_ppm => 'f',
        _ if options.ending_ppm > 0 && rng.random_range(0..1_000_000) < options.ending_ppm => 't',
        0..5 => 'k',
        5..7 => 'd',
        7 => 't',
        8 => 'a',
        9 => 'x',
        10 => 'n',
        _ => 'f',
    };
    let key = format!("{letter}{number}");
    match act(&key, rng) {
        Act::Flush => (FLUSHED.to_owned(), Act::Flush),
        act => (key, act),
    }
}

fn act(key: &str, rng: &mut ChaCha12Rng) -> Act {
    let draw = rng.random_range(0..100);
    let ttl_ms = rng.random_range(200..6_000);
    match (key.as_bytes()[0], draw) {
        (_, 0..55) => Act::Get,
        (b'd', 55..70) | (b'x', 55..75) => Act::Delete,
        (b't', 55..80) => Act::SetFor { ttl_ms },
        (b't', 80..90) => Act::Expire { ttl_ms },
        (b't', 90..95) => Act::Persist,
        (b'f', 55..58) => Act::Flush,
        (b'a', _) => Act::Append,
        (b'n', _) => Act::Add,
        (b'x', _) => Act::SetIfAbsent,
        _ => Act::Set,
    }
}
