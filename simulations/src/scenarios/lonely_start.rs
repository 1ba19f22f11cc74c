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

/// A node starts anew where it sees nobody, and what is written through it ends before it finds the
/// others: forgetting it would put its floor above all that they hold (the fourth story).
pub const LONELY_FORGETTER: Scenario = Scenario {
    name: "lonely-forgetter",
    about: "a node starts anew where it sees nobody, and what it is given ends there",
    nodes: (3, 3),
    options: |options, _| {
        options.restarts_seeded = true;
        options.partitions = 4;
        // Much is written once, before, and hardly anything of that meanwhile.
        options.keys = 200;
        options.ending_ppm = 300_000;
        options.pause_ms = (30, 150);
        options.healed_ms = options.formed_ms + 35_000;
    },
    faults: |line| {
        line.pass(12_000..16_000);
        let length = line.draw(10_000..14_000);
        let (node, away) = (line.node(), line.draw(100..1_500));
        line.split(vec![node], length);
        line.crash(node, away);
    },
};
