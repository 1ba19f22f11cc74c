//! Memory for half of what is written, and nodes that are killed: each owner has evicted something
//! else, and who starts anew takes from all of them what they still have.

use super::Scenario;
use crate::workload::LETTERS;

/// See the module.
pub const SCARCE: Scenario = Scenario {
    name: "scarce",
    about: "memory for half of what is written, and nodes are killed and started again",
    nodes: (3, 5),
    options: |options, _| {
        options.keys *= 4;
        options.value_bytes = 300;
        let all = options.keys * LETTERS.len() * (options.value_bytes + 100);
        options.memory_bytes_max =
            (all * usize::from(options.replicas) / options.nodes / 2).max(8 << 10);
    },
    faults: super::kill::KILL.faults,
};
