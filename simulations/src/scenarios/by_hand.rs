//! Nothing happens by itself: for a [`cluster`](crate::cluster) whose faults and operations are said
//! by whoever tests with it.

use super::Scenario;

/// See the module.
pub(crate) const BY_HAND: Scenario = Scenario {
    name: "by-hand",
    about: "nothing happens by itself",
    nodes: (3, 3),
    options: |options, _| {
        options.clients = 0;
        options.keys = 1_000;
        options.healed_ms = 24 * 3_600_000;
        options.wall_rate_ppm_max = 0;
    },
    faults: |_| {},
};
