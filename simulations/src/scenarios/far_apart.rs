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

/// Nobody dies, and nothing is lost; but it takes a quarter of a second to ask and be answered, and
/// all write the same few keys, by clocks that are nearly a tenth of a second off.
pub const CONTENDED: Scenario = Scenario {
    name: "contended",
    about: "nodes are up to 140 ms apart, and all write the same three keys",
    nodes: (4, 6),
    options: |options, _| {
        options.latency_us_max = 140_000;
        options.wall_off_ms_max = 95;
        options.hot_ppm = 300_000;
        options.keys = 3;
        options.pause_ms = (20, 200);
    },
    faults: |_| {},
};
