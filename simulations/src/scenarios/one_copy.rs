//! One copy of everything, and nodes that are stopped: another one takes the place of who is away,
//! and nobody else owns what that one comes back with.

use super::Scenario;

/// See the module.
pub const ONE_COPY: Scenario = Scenario {
    name: "one-copy",
    about: "one copy of everything, and nodes that are stopped",
    nodes: (2, 3),
    options: |options, _| {
        options.replicas = 1;
        options.zones = 0;
        options.clients = 10;
        options.keys = 60;
        options.loss_ppm = 5_000;
        options.late_ppm = 20_000;
        options.healed_ms = 60_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(500..5_000);
            let (node, length) = (line.node(), line.draw(100..6_000));
            line.stall(node, length);
            line.now_ms += length;
        }
    },
};
