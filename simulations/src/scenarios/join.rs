//! Nodes join under load, one by one or several at once: partitions move, and no key is lost on the
//! way.

use rand::RngExt;
use rand::rngs::ChaCha12Rng;

use super::{Scenario, at};
use crate::plan::{Fault, Options, Timed};

/// See the module.
pub const JOIN: Scenario = Scenario {
    name: "join",
    about: "nodes join under load, and partitions move to them",
    nodes: (1, 5),
    options: |options, rng| options.joiners = rng.random_range(1..=4),
    faults,
};

fn faults(options: &Options, rng: &mut ChaCha12Rng) -> Vec<Timed<Fault>> {
    let mut faults = Vec::new();
    let mut now = options.formed_ms;
    for joiner in 0..options.joiners {
        now += match rng.random_bool(0.5) {
            true => rng.random_range(0..300),
            false => rng.random_range(3_000..9_000),
        };
        let node = options.nodes + joiner;
        faults.push(at(now, Fault::Start { node, seeded: true }));
    }
    faults
}
