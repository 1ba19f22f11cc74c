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

/// What whoever decides has told one of the others, and not yet the second, which is far away: who
/// decides next asks first.
pub const HALF_TOLD: Scenario = Scenario {
    name: "half-told",
    about: "few keys are added to from far apart, and nodes are killed and there again at once",
    nodes: (3, 3),
    options: |options, _| {
        options.latency_us_max = 60_000;
        options.jitter_us_max = 3_000;
        options.restarts_seeded = true;
        options.clients = 14;
        options.keys = 1;
        options.pause_ms = (2, 30);
        options.healed_ms = 39_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(0..500);
            let (node, away) = (line.node(), line.draw(2..60));
            line.crash(node, away);
            line.now_ms += 3_000;
        }
    },
};

/// What is not there is written from far away, more than once, and found elsewhere before all of that
/// has arrived.
pub const SHORT_LIVED: Scenario = Scenario {
    name: "short-lived",
    about: "few keys that end soon are written from far apart, and nodes are killed",
    nodes: (3, 3),
    options: |options, _| {
        options.latency_us_max = 100_000;
        options.jitter_us_max = 3_000;
        options.restarts_seeded = true;
        options.clients = 14;
        options.keys = 1;
        options.pause_ms = (2, 30);
        options.ending_ppm = 400_000;
        options.healed_ms = 39_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(2_500..3_500);
            let (node, away) = (line.node(), line.draw(2..60));
            line.crash(node, away);
        }
    },
};
