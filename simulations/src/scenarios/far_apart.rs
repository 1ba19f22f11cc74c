//! Nodes in different places, tens of milliseconds from each other, are killed: it takes longer to
//! tell what silence means, and longer to get everything at a start.

use super::Scenario;

/// See the module.
pub const FAR_APART: Scenario = Scenario {
    name: "far-apart",
    about: "nodes are tens of milliseconds apart, and are killed",
    nodes: (3, 6),
    options: |options, _| {
        options.latency_us_max = 50_000;
        options.jitter_us_max = 3_000;
    },
    faults: super::kill::KILL.faults,
};
