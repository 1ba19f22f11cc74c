//! Large values over narrow ways: each takes longer on its way than an operation has otherwise, while
//! packets are lost, nodes are killed and hang, and small operations go on beside them.

use rand::RngExt;

use super::Scenario;

/// What a large value takes on its way, in milliseconds: longer than the deadline of an operation
/// without one.
const TAKES_MS: u64 = 1_100;

/// What is reckoned for it: three are allowed to follow one another.
const RECKONED_MS: u64 = 2_500;
/// So long before the end nothing more goes wrong, in milliseconds.
const REPAIR_MS: u64 = 35_000;

/// See the module.
pub const LARGE_VALUES: Scenario = Scenario {
    name: "large-values",
    about: "large values take longer than a second on their way, and nodes are killed and hang",
    nodes: (3, 5),
    options: |options, rng| {
        // Every few seconds one; the rest is small.
        options.clients = 2;
        options.pause_ms = (100, 300);
        options.keys = 10;
        options.large_bytes = rng.random_range(66 << 10..192 << 10);
        // Clients at one node may have some on the way at once.
        options.bulk_rate = options.large_bytes as u64 * 1_000 / RECKONED_MS;
        options.healed_ms = 70_000;
        options.agree_ms = 15_000;
        options.bulk_ends_ppm = 0;
        // So that the places of what is arriving are few.
        options.memory_bytes_max = 4 << 20;
        options.loss_ppm = 2_000;
    },
    faults: |line| {
        let bytes_per_second = line.options.large_bytes as u64 * 1_000 / TAKES_MS;
        let all_ms = line.options.healed_ms - line.options.formed_ms;
        for from in 0..line.options.nodes {
            for to in (0..line.options.nodes).filter(|to| *to != from) {
                line.throttle((from, to), bytes_per_second, all_ms);
            }
        }
        // At that rate repair goes on for a while, and is to be over at the end.
        while line.now_ms + REPAIR_MS < line.options.healed_ms {
            line.pass(5_000..9_000);
            let (node, for_ms) = (line.node(), line.draw(300..3_000));
            match line.draw(0..3) {
                0 => line.crash(node, for_ms),
                1 => line.stall(node, for_ms),
                _ => {}
            }
        }
    },
};
