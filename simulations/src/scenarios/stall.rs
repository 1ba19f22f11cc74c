//! A process is stopped, as by SIGSTOP or a paused virtual machine, for 1, 3 or 20 seconds, and
//! goes on with its old memory and its old view: it must not answer from either.

use super::{Scenario, pick};

/// See the module.
pub const STALL: Scenario = Scenario {
    name: "stall",
    about: "processes are stopped for 1, 3 or 20 s, and go on with their old memory",
    nodes: (3, 5),
    options: |options, _| options.healed_ms = 69_000,
    faults: |line| {
        while line.goes_on() {
            let node = line.node();
            line.pass(0..3_000);
            let length = *pick(&[150, 1_000, 3_000, 20_000], line.rng);
            let length = length + line.draw(0..length / 4);
            line.stall(node, length);
            line.now_ms += length + line.options.stable_ms;
        }
    },
};
