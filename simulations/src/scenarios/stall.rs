//! A process is stopped, as by SIGSTOP or a paused virtual machine, for 1, 3 or 20 seconds, and
//! goes on with its old memory and its old view: it must not answer from either.

use rand::RngExt;
use rand::rngs::ChaCha12Rng;

use super::{Scenario, at, pick};
use crate::plan::{Fault, Options, Timed};

/// Time between two stalls, in milliseconds.
const STABLE_MS: u64 = 8_000;

/// See the module.
pub const STALL: Scenario = Scenario {
    name: "stall",
    about: "processes are stopped for 1, 3 or 20 s, and go on with their old memory",
    nodes: (3, 5),
    options: |options, _| options.healed_ms = 69_000,
    faults,
};

fn faults(options: &Options, rng: &mut ChaCha12Rng) -> Vec<Timed<Fault>> {
    let mut faults = Vec::new();
    let mut now = options.formed_ms;
    while now < options.healed_ms {
        let node = rng.random_range(0..options.nodes);
        now += rng.random_range(0..3_000);
        faults.push(at(now, Fault::Stall { node }));
        let length = *pick(&[150, 1_000, 3_000, 20_000], rng);
        now += length + rng.random_range(0..length / 4);
        faults.push(at(now, Fault::Resume { node }));
        now += STABLE_MS;
    }
    faults
}
