//! Randomness: one named stream per purpose.
//!
//! A draw added for one purpose does not reshuffle the others, so a seed keeps most of its story
//! when the harness changes. The generator is named (ChaCha with 12 rounds), never "the standard
//! one", whose algorithm may change with a release.

use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

/// What randomness is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// The options of a run.
    Options = 1,
    /// When which fault happens.
    Faults = 2,
    /// What clients do.
    Workload = 3,
    /// Delays, losses, duplicates.
    Network = 4,
    /// What lives inside a node; one stream per node and life.
    Node = 5,
    /// The order in which a process that was stopped finds what has piled up.
    Schedule = 6,
}

/// The stream of a purpose. `index` tells several of one purpose apart.
pub fn stream(seed: u64, purpose: Purpose, index: u64) -> ChaCha12Rng {
    ChaCha12Rng::from_seed(bytes(seed, purpose, index))
}

/// The 32 bytes that name a stream.
pub fn bytes(seed: u64, purpose: Purpose, index: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
    bytes[16..24].copy_from_slice(&index.to_le_bytes());
    bytes
}
