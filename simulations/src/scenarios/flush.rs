//! Everything that is there is flushed, again and again, while nodes are killed, stopped and cut
//! off: what was flushed does not come back.

use super::Scenario;

/// See the module.
pub const FLUSH: Scenario = Scenario {
    name: "flush",
    about: "a namespace is flushed again and again while nodes die, hang and are cut off",
    nodes: (3, 5),
    options: |options, _| options.flushed_ppm = 700_000,
    faults: |line| {
        while line.goes_on() {
            line.pass(0..3_000);
            let node = line.node();
            let length = line.draw(100..6_000);
            match line.draw(0..3) {
                0 => line.crash(node, length),
                1 => line.stall(node, length),
                _ => line.split(vec![node], length.min(2_000)),
            }
            line.now_ms += length + line.options.stable_ms;
        }
    },
};
