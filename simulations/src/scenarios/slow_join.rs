//! Nodes join over links that carry little: what they take over takes seconds to reach them, and
//! whoever had it keeps it until then.

use rand::RngExt;

use super::Scenario;
use crate::plan::Fault;

/// See the module.
pub const SLOW_JOIN: Scenario = Scenario {
    name: "slow-join",
    about: "nodes join over links that carry few bytes, and take partitions over",
    nodes: (1, 3),
    options: |options, rng| {
        options.joiners = rng.random_range(3..=4);
        options.keys *= 4;
        options.value_bytes = 400;
    },
    faults: |line| {
        line.pass(2_000..6_000);
        let joined = line.options.nodes..line.options.nodes + line.options.joiners;
        for joiner in joined.clone() {
            line.happens(Fault::Start { node: joiner, seeded: true });
            line.pass(0..500);
            for other in (0..joined.end).filter(|other| *other != joiner) {
                let (rate, length) = (line.draw(2_000..20_000), line.draw(3_000..12_000));
                line.throttle((other, joiner), rate, length);
            }
        }
    },
};
