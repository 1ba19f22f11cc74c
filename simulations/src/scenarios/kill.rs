//! One node after the other is killed under load, and started again later: the rest go on as if
//! nothing had happened, and nothing that is acknowledged is lost while one holder lives.

use super::timeline::Timeline;
use super::{Scenario, UNCHANGED};

/// See the module.
pub const KILL: Scenario = Scenario {
    name: "kill",
    about: "nodes are killed one after the other under load, and started again",
    nodes: (3, 5),
    options: UNCHANGED,
    faults: |line| {
        while line.goes_on() {
            let node = line.node();
            line.pass(0..3_000);
            let down = away(line);
            line.crash(node, down);
            // It has to become a member and get its partitions.
            line.now_ms += down + line.options.stable_ms;
        }
    },
};

/// How long a killed node is away: also so short that nobody has noticed.
pub(super) fn away(line: &mut Timeline<'_>) -> u64 {
    match line.draw(0..4) {
        0 => line.draw(10..500),
        1 => line.draw(500..3_000),
        _ => line.draw(3_000..15_000),
    }
}
