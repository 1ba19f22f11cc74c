//! Some messages of the exchange come seconds late, out of order, and after their sender was killed
//! and started again. A stream keeps its order; but what a link brought that is being replaced is
//! read behind what its successor has brought, and a relayed acknowledgement comes from a third.

use super::Scenario;

/// See the module.
pub const LATE_MESSAGES: Scenario = Scenario {
    name: "late-messages",
    about: "messages of the exchange come late and out of order, while nodes die and links are cut",
    nodes: (4, 6),
    options: |options, _| {
        options.late_ppm = 100_000;
        options.restarts_seeded = true;
        options.latency_us_max = 15_000;
        options.partitions = 4;
        options.pause_ms = (10, 60);
        options.healed_ms = 69_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(0..1_500);
            match line.draw(0..5) {
                0 | 1 => {
                    let (node, away) = (line.node(), line.draw(2..2_000));
                    line.crash(node, away);
                    line.now_ms += away;
                }
                2 => {
                    let (nodes, length) = (line.half(), line.draw(3_000..9_000));
                    line.split_raggedly(nodes, length, 2_000);
                    line.now_ms += length + 2_000;
                }
                3 => {
                    let (node, length) = (line.node(), line.draw(100..4_000));
                    line.stall(node, length);
                    line.now_ms += length;
                }
                _ => {
                    let (pair, length) = (line.pair(), line.draw(100..1_500));
                    line.part(pair, length);
                    line.now_ms += length;
                }
            }
            line.pass(500..4_000);
        }
    },
};
