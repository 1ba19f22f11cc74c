//! Nodes join under load, one by one or several at once: partitions move, and no key is lost on the
//! way.

use rand::RngExt;

use super::Scenario;
use crate::plan::Fault;

/// See the module.
pub const JOIN_STORM: Scenario = Scenario {
    name: "join-storm",
    about: "nodes join under load, several at once, and partitions move to them",
    nodes: (1, 5),
    options: |options, rng| options.joiners = rng.random_range(1..=4),
    faults: |line| {
        for joiner in 0..line.options.joiners {
            match line.rng.random_bool(0.5) {
                true => line.pass(0..300),
                false => line.pass(3_000..9_000),
            };
            let node = line.options.nodes + joiner;
            line.happens(Fault::Start { node, seeded: true });
        }
    },
};
