//! Nodes that answer slowly join, and take over more than a few messages carry: it takes seconds, and
//! whoever had it keeps it until then.

use rand::RngExt;

use super::Scenario;
use crate::plan::Fault;

/// See the module.
pub const SLOW_JOIN: Scenario = Scenario {
    name: "slow-join",
    about: "nodes join that answer slowly, and take large values over",
    nodes: (1, 3),
    options: |options, rng| {
        options.joiners = rng.random_range(3..=4);
        options.keys *= 4;
        options.partitions = 4;
        options.value_bytes = 30_000;
        options.memory_bytes_max = 64 << 20;
    },
    faults: |line| {
        line.pass(5_000..9_000);
        for joiner in line.options.nodes..line.options.nodes + line.options.joiners {
            let (by_us, length) = (line.draw(80_000..150_000), line.draw(5_000..15_000));
            line.slow(joiner, by_us, length);
            line.happens(Fault::Start { node: joiner, seeded: true });
            line.pass(0..200);
        }
    },
};
