//! A node starts while nobody can be reached, for the first time or anew, serves alone, and meets the
//! others later: it finds them, and what it has done meanwhile does not undo what they have held all
//! along.

use super::Scenario;
use crate::plan::Fault;

/// See the module.
pub const LONELY_START: Scenario = Scenario {
    name: "lonely-start",
    about: "nodes start while they are cut off, serve alone, and meet the others later",
    nodes: (3, 6),
    options: |options, _| {
        options.joiners = 2;
        options.healed_ms = 99_000;
    },
    faults: |line| {
        let mut joined = 0;
        while line.goes_on() {
            line.pass(0..2_000);
            let length = line.draw(6_000..20_000);
            if joined < line.options.joiners && line.draw(0..2) == 0 {
                let node = line.options.nodes + joined;
                joined += 1;
                line.split(vec![node], length);
                line.happens(Fault::Start { node, seeded: true });
            } else {
                let (node, away) = (line.node(), line.draw(100..1_500));
                line.split(vec![node], length);
                line.crash(node, away);
            }
            line.now_ms += length + line.options.stable_ms;
        }
    },
};
