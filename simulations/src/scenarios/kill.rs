//! One node after the other is killed under load, and started again later: the rest go on as if
//! nothing had happened, and nothing that is acknowledged is lost while one holder lives.

use rand::RngExt;
use rand::rngs::ChaCha12Rng;

use super::{Scenario, at};
use crate::plan::{Fault, Options, Timed};

/// How long a node started again is left in peace, in milliseconds, before the next one is killed:
/// it has to become a member and get its partitions.
const STABLE_MS: u64 = 8_000;

/// See the module.
pub const KILL: Scenario = Scenario {
    name: "kill",
    about: "nodes are killed one after the other under load, and started again",
    nodes: (3, 5),
    options: |_, _| {},
    faults,
};

fn faults(options: &Options, rng: &mut ChaCha12Rng) -> Vec<Timed<Fault>> {
    let mut faults = Vec::new();
    let mut now = options.formed_ms;
    while now < options.healed_ms {
        let node = rng.random_range(0..options.nodes);
        now += rng.random_range(0..3_000);
        faults.push(at(now, Fault::Crash { node }));
        now += match rng.random_range(0..4) {
            // Before anybody has noticed.
            0 => rng.random_range(10..500),
            1 => rng.random_range(500..3_000),
            _ => rng.random_range(3_000..15_000),
        };
        let seeded = options.restarts_seeded;
        faults.push(at(now, Fault::Start { node, seeded }));
        now += STABLE_MS;
    }
    faults
}
