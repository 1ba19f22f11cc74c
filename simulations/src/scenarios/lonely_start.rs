//! A node starts anew while nobody can be reached, serves alone, and meets the others later: what it
//! has done meanwhile must not undo what they have held all along.

use super::Scenario;

/// See the module.
pub const LONELY_START: Scenario = Scenario {
    name: "lonely-start",
    about: "a node is cut off and started anew, serves alone, and meets the others again",
    nodes: (3, 6),
    options: |options, _| options.healed_ms = 99_000,
    faults: |line| {
        while line.goes_on() {
            line.pass(0..2_000);
            let (node, length) = (line.node(), line.draw(6_000..20_000));
            line.split(vec![node], length);
            let away = line.draw(100..1_500);
            line.crash(node, away);
            line.now_ms += length + line.options.stable_ms;
        }
    },
};
