//! Nodes begin alone, because nobody can be reached, and are ready; then they meet the others, answer
//! slowly, and take large values over: for seconds they lack what the others have, and say so.

use rand::RngExt;

use super::Scenario;
use crate::plan::Fault;

/// See the module.
pub const SLOW_MEETING: Scenario = Scenario {
    name: "slow-meeting",
    about: "nodes begin alone, meet the others, and take large values over slowly",
    nodes: (1, 3),
    options: |options, rng| {
        options.joiners = rng.random_range(1..=2);
        options.keys *= 4;
        options.pause_ms = (60, 300);
        options.partitions = 1;
        options.value_bytes = 60_000;
        options.memory_bytes_max = 128 << 20;
        options.restarts_seeded = true;
        options.healed_ms = 69_000;
    },
    faults: |line| {
        line.pass(9_000..14_000);
        let (length, nodes) = (line.draw(6_000..9_000), line.options.nodes);
        let joiners: Vec<usize> = (nodes..nodes + line.options.joiners).collect();
        for joiner in &joiners {
            line.happens(Fault::Start { node: *joiner, seeded: true });
            line.slow(*joiner, 150_000, length + 30_000);
        }
        line.split(joiners, length);
    },
};
