//! Half of all operations go to one key, from every node, while its owners are killed: nobody waits
//! for anybody, and the last writer wins.

use super::Scenario;

/// See the module.
pub const HOT_KEY: Scenario = Scenario {
    name: "hot-key",
    about: "half of all operations go to one key, and nodes are killed",
    nodes: (3, 6),
    options: |options, _| {
        options.hot_ppm = 500_000;
        options.pause_ms = (5, 60);
        options.healed_ms = 39_000;
    },
    faults: super::kill::KILL.faults,
};
