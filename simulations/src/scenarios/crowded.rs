//! As many copies as there are sessions, and two nodes more than that: who owns no copy any more, and
//! waits to hand over what it has, competes with others for the one session that is left.

use super::Scenario;

/// See the module.
pub const CROWDED: Scenario = Scenario {
    name: "crowded",
    about: "8 copies on 10 nodes that are killed and stopped",
    nodes: (10, 10),
    options: |options, _| {
        options.replicas = 8;
        options.zones = 4;
        options.loss_ppm = 5_000;
        options.healed_ms = 60_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(500..5_000);
            let (node, away) = (line.node(), line.draw(2..8_000));
            line.crash(node, away);
            line.now_ms += away;
            line.pass(500..3_000);
            let (node, length) = (line.node(), line.draw(100..6_000));
            line.stall(node, length);
            line.now_ms += length;
        }
    },
};
