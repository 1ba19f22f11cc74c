//! The network falls apart in two, for a short or a long time, and comes together again. Both sides
//! go on; afterwards the last writer has won everywhere.

use std::ops::Range;

use super::timeline::Timeline;
use super::{Scenario, UNCHANGED};

/// Splits that end before anybody is declared down, or soon after.
pub const PARTITION_HEAL_SHORT: Scenario = Scenario {
    name: "partition-heal-short",
    about: "the network falls apart for 0.1 to 5 s, and comes together again",
    nodes: (3, 6),
    options: UNCHANGED,
    faults: |line| splits(line, [100..1_000, 1_000..5_000]),
};

/// Splits that outlast every suspicion: both sides have rebuilt their rings.
pub const PARTITION_HEAL_LONG: Scenario = Scenario {
    name: "partition-heal-long",
    about: "the network falls apart for 5 to 30 s, and comes together again",
    nodes: (3, 6),
    options: |options, _| options.healed_ms = 99_000,
    faults: |line| splits(line, [5_000..15_000, 15_000..30_000]),
};

fn splits(line: &mut Timeline<'_>, lengths: [Range<u64>; 2]) {
    while line.goes_on() {
        line.pass(0..2_000);
        let which = line.draw(0..2) as usize;
        let length = line.draw(lengths[which].clone());
        let nodes = line.half();
        line.split(nodes, length);
        line.now_ms += length + line.options.stable_ms;
    }
}
