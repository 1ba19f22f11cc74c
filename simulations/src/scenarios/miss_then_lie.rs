//! A node is cut off for some seconds, while others remove what it holds, and comes back to them one
//! after the other: one that knows of a removal says that there is nothing, and the next asked, which
//! has not heard of it yet, still has the value (the second story).

use super::Scenario;

/// See the module.
pub const MISS_THEN_LIE: Scenario = Scenario {
    name: "miss-then-lie",
    about: "a node that has missed removals is asked after one that knows of them",
    nodes: (4, 4),
    options: |options, _| {
        options.partitions = 4;
        options.keys = 6;
        options.pause_ms = (5, 40);
        options.healed_ms = 39_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(0..1_000);
            let (node, length) = (line.node(), line.draw(1_000..5_000));
            line.split_raggedly(vec![node], length, 1_500);
            line.now_ms += length + 1_500;
            line.pass(500..3_000);
        }
    },
};
