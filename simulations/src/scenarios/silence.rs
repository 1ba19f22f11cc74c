//! One node is cut off for just long enough to be suspected, now and then: it lives, and everybody is
//! to find that out before the suspicion has lasted.

use super::Scenario;

/// See the module.
pub const SILENCE: Scenario = Scenario {
    name: "silence",
    about: "one node is cut off for a second, is suspected, and refutes it",
    nodes: (3, 4),
    options: |options, _| options.healed_ms = 159_000,
    faults: |line| {
        while line.goes_on() {
            let (node, length) = (line.node(), line.draw(1_100..1_450));
            line.split(vec![node], length);
            line.now_ms += length;
            // Several in a row would be a long one.
            line.pass(12_500..14_000);
        }
    },
};
