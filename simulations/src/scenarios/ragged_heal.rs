//! The network falls apart, on both sides nodes start anew, and it comes together again link by link:
//! what some hold was outlived by others, who tell it to one after the other.

use super::Scenario;

/// See the module.
pub const RAGGED_HEAL: Scenario = Scenario {
    name: "ragged-heal",
    about: "the network falls apart, nodes start anew, and it comes together link by link",
    nodes: (3, 5),
    options: |options, _| {
        options.keys = 8;
        // What has ended on one side, the other puts off meanwhile.
        options.ending_ppm = 500_000;
        options.latency_us_max = 5_000;
        options.pause_ms = (5, 60);
        options.restarts_seeded = true;
        options.healed_ms = 59_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(0..2_000);
            let (nodes, length) = (line.half(), line.draw(4_000..10_000));
            line.split_raggedly(nodes, length, 5_000);
            let begun = line.now_ms;
            for _ in 0..line.draw(2..5) {
                line.pass(200..length / 3);
                let (node, away) = (line.node(), line.draw(50..1_000));
                line.crash(node, away);
            }
            line.now_ms = begun + length + 5_000;
            line.pass(1_000..5_000);
        }
    },
};
