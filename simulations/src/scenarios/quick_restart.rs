//! Nodes start anew within milliseconds, while writes that they have acknowledged still wait for a
//! third that is stopped: what they covered in the life before says nothing about this one.

use super::Scenario;

/// See the module.
pub const QUICK_RESTART: Scenario = Scenario {
    name: "quick-restart",
    about: "nodes are killed and there again at once, while others are stopped for a moment",
    nodes: (3, 5),
    options: |options, _| {
        options.latency_us_max = 5_000;
        options.pause_ms = (5, 40);
        options.restarts_seeded = true;
        options.healed_ms = 39_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(0..1_500);
            let ((stopped, killed), length) = (line.pair(), line.draw(100..600));
            line.stall(stopped, length);
            line.pass(1..100);
            let away = line.draw(2..40);
            line.crash(killed, away);
            line.now_ms += length + 2_000;
        }
    },
};
