//! Sessions begin anew again and again over partitions of many keys, while clients go on writing and
//! single links are cut: what both sides hold is compared, and meanwhile changes on one of them.

use super::Scenario;

/// See the module.
pub const REOPEN: Scenario = Scenario {
    name: "reopen",
    about: "few partitions of many keys are compared anew and anew, while links are cut",
    nodes: (4, 6),
    options: |options, _| {
        options.partitions = 2;
        options.keys *= 4;
        options.latency_us_max = 40_000;
        options.jitter_us_max = 20_000;
        options.pause_ms = (10, 60);
        options.healed_ms = 79_000;
    },
    faults: |line| {
        while line.goes_on() {
            // Who forgets while another is away, or starts anew, makes the rest begin anew.
            match line.draw(0..3) {
                0 => {
                    let nodes = line.half();
                    let length = line.draw(3_000..12_000);
                    line.split(nodes, length);
                    line.now_ms += length;
                }
                _ => {
                    let (node, away) = (line.node(), line.draw(10..3_000));
                    line.crash(node, away);
                    line.now_ms += away;
                }
            }
            for _ in 0..line.draw(2..8) {
                line.pass(50..900);
                let (pair, length) = (line.pair(), line.draw(50..900));
                line.part(pair, length);
            }
            line.pass(2_000..6_000);
        }
    },
};
