//! The network falls apart for a short time, in two or for one direction only, and comes together
//! again. Both sides go on; afterwards the last writer has won everywhere.

use rand::RngExt;
use rand::rngs::ChaCha12Rng;

use super::{Scenario, at};
use crate::plan::{Fault, Options, Timed};

/// Time between two partitions, in milliseconds.
const STABLE_MS: u64 = 6_000;

/// See the module.
pub const PARTITION: Scenario = Scenario {
    name: "partition",
    about: "short partitions and one-way cuts",
    nodes: (3, 6),
    options: |_, _| {},
    faults,
};

fn faults(options: &Options, rng: &mut ChaCha12Rng) -> Vec<Timed<Fault>> {
    let mut faults = Vec::new();
    let mut now = options.formed_ms;
    while now < options.healed_ms {
        now += rng.random_range(0..2_000);
        let length = match rng.random_range(0..3) {
            0 => rng.random_range(100..1_000),
            1 => rng.random_range(1_000..5_000),
            _ => rng.random_range(5_000..15_000),
        };
        if rng.random_bool(0.3) {
            let from = rng.random_range(0..options.nodes);
            let to = (from + rng.random_range(1..options.nodes)) % options.nodes;
            faults.push(at(now, Fault::Cut { from, to }));
            faults.push(at(now + length, Fault::Mend { from, to }));
        } else {
            let nodes = (0..options.nodes).filter(|_| rng.random_bool(0.5)).collect();
            faults.push(at(now, Fault::Partition { nodes }));
            faults.push(at(now + length, Fault::Unite));
        }
        now += length + STABLE_MS;
    }
    faults
}
