//! Few keys are appended to and added to from everywhere, by nodes that are far apart, and whoever
//! decides is killed while the others have not all heard of its last decision.

use super::Scenario;

/// See the module.
pub const UPDATES: Scenario = Scenario {
    name: "updates",
    about: "few keys are appended and added to from far apart, and nodes are killed",
    nodes: (3, 5),
    options: |options, _| {
        options.latency_us_max = 40_000;
        options.jitter_us_max = 3_000;
        options.clients = 10;
        options.keys = 2;
        options.pause_ms = (5, 60);
        options.healed_ms = 39_000;
    },
    faults: super::kill::KILL.faults,
};
