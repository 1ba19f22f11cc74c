//! The network comes together again, and at that moment nodes die and start anew: they boot from
//! others that do not agree yet, and hear from several what each of them has forgotten.

use super::Scenario;

/// See the module.
pub const HEAL_AND_CRASH: Scenario = Scenario {
    name: "heal-and-crash",
    about: "the network falls apart, and nodes die as it comes together again",
    nodes: (4, 7),
    options: |options, _| {
        options.keys *= 2;
        options.healed_ms = 129_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(0..2_000);
            let length = match line.draw(0..2) {
                0 => line.draw(1_000..5_000),
                _ => line.draw(5_000..20_000),
            };
            let nodes = line.half();
            line.split(nodes, length);
            line.now_ms += length.saturating_sub(500);
            for _ in 0..line.draw(1..4) {
                line.pass(0..700);
                let (node, away) = (line.node(), line.draw(10..1_500));
                line.crash(node, away);
            }
            line.now_ms += 2_000 + line.options.stable_ms;
        }
    },
};
