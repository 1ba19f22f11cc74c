//! A node, or several, are away with their memory for longer than anybody waits for them: the others
//! have closed their sessions and forgotten what was removed meanwhile. What comes back with old
//! memory must be judged before it is believed.

use super::Scenario;
use crate::plan::Fault;

/// See the module.
pub const LONG_ABSENCE: Scenario = Scenario {
    name: "long-absence",
    about: "nodes are stopped or cut off for more than a minute, with their memory",
    nodes: (3, 6),
    options: |options, _| {
        options.keys *= 2;
        options.pause_ms = (50, 300);
        options.healed_ms = options.formed_ms + 190_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(0..5_000);
            let length = line.draw(62_000..75_000);
            let node = line.node();
            match line.draw(0..3) {
                0 => line.stall(node, length),
                1 => line.split(vec![node], length),
                _ => {
                    let nodes = line.half();
                    line.split(nodes, length);
                }
            }
            // Somebody starts anew meanwhile, and knows nothing of what is away.
            let other = line.node();
            if other != node && line.draw(0..2) == 0 {
                let (after, away) = (line.draw(1_000..60_000), line.draw(100..3_000));
                line.happens_in(after, Fault::Crash { node: other });
                line.starts_in(after + away, other);
            }
            line.now_ms += length;
            line.pass(5_000..20_000);
        }
    },
};
