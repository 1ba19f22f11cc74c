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
        // What is under way is lost every few seconds, and has to be said again.
        options.bulk_ends_ppm = 200_000;
        options.memory_bytes_max = 64 << 20;
    },
    faults: |line| {
        line.pass(5_000..9_000);
        for joiner in line.options.nodes..line.options.nodes + line.options.joiners {
            // An operation that asks two of them, one after the other, still ends in time.
            let (by_us, length) = (line.draw(80_000..115_000), line.draw(5_000..15_000));
            line.slow(joiner, by_us, length);
            line.happens(Fault::Start { node: joiner, seeded: true });
            line.pass(0..200);
        }
    },
};

/// Nodes join, and who has handed a partition over to them holds nothing of it any more and says so:
/// nobody is to wait for it (the eleventh story).
pub const LOST_NOTHING: Scenario = Scenario {
    name: "lost-nothing",
    about: "nodes join, and who has handed over to them says that it holds nothing any more",
    nodes: (2, 3),
    options: |options, _| {
        options.joiners = 3;
        options.replicas = 2;
        options.healed_ms = 39_000;
    },
    faults: |line| {
        line.pass(0..2_000);
        for joiner in line.options.nodes..line.options.nodes + line.options.joiners {
            line.happens(Fault::Start { node: joiner, seeded: true });
            line.pass(4_000..7_000);
        }
    },
};
