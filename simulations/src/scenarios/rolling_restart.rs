//! A rolling restart: every node is asked to stop and started again, one at a time, the next only
//! when the one before has had time to get everything. No key may be lost.

use super::Scenario;

/// See the module.
pub const ROLLING_RESTART: Scenario = Scenario {
    name: "rolling-restart",
    about: "every node stops gracefully and starts again, one at a time",
    nodes: (3, 5),
    options: |options, _| options.healed_ms = 14_000 + options.nodes as u64 * 13_000,
    faults: |line| {
        for node in 0..line.options.nodes {
            line.pass(0..1_000);
            // The process exits within 1.5 s.
            let away = line.draw(1_600..4_000);
            line.restart(node, away);
            line.now_ms += away + line.options.stable_ms;
        }
    },
};
