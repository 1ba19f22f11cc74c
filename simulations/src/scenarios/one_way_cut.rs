//! Nothing passes from one node to another, while everything passes back: the one that is not heard
//! must not take everybody with it.

use super::{Scenario, UNCHANGED};

/// See the module.
pub const ONE_WAY_CUT: Scenario = Scenario {
    name: "one-way-cut",
    about: "links are cut in one direction, one at a time or all from one node",
    nodes: (3, 6),
    options: UNCHANGED,
    faults: |line| {
        while line.goes_on() {
            line.pass(0..2_000);
            let length = match line.draw(0..2) {
                0 => line.draw(100..3_000),
                _ => line.draw(3_000..15_000),
            };
            let (from, to) = line.pair();
            if line.draw(0..3) < 2 {
                line.cut((from, to), length);
            } else {
                // It hears everybody and nobody hears it.
                for other in (0..line.options.nodes).filter(|other| *other != from) {
                    line.cut((from, other), length);
                }
            }
            line.now_ms += length + line.options.stable_ms;
        }
    },
};
