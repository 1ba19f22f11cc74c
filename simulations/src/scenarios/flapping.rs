//! One node comes and goes: its links for fractions of a second, or its process every few seconds,
//! too short for anybody to settle on either.

use super::{Scenario, UNCHANGED};

/// See the module.
pub const FLAPPING: Scenario = Scenario {
    name: "flapping",
    about: "one node's network or process comes and goes, again and again",
    nodes: (3, 6),
    options: UNCHANGED,
    faults: |line| {
        while line.goes_on() {
            let node = line.node();
            let times = line.draw(4..12);
            let process = line.draw(0..3) == 0;
            for _ in 0..times {
                let length = if process { line.draw(50..1_500) } else { line.draw(50..1_200) };
                if process {
                    line.crash(node, length);
                } else {
                    line.split(vec![node], length);
                }
                line.now_ms += length;
                line.pass(100..2_000);
            }
            line.now_ms += line.options.stable_ms;
        }
    },
};
