//! A network that loses, doubles and delays, more and less by turns: everybody stays a member, and
//! everything is answered, if later.

use rand::RngExt;

use super::Scenario;

/// See the module.
pub const LOSSY: Scenario = Scenario {
    name: "lossy",
    about: "packets are lost, doubled and delayed, and one node is slow",
    nodes: (3, 6),
    options: |options, rng| {
        options.loss_ppm = rng.random_range(1_000..30_000);
        options.duplicate_ppm = 10_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.weather(80_000, 20_000, 30_000);
            line.pass(2_000..6_000);
            let node = line.node();
            let (by_us, length) = (line.draw(0..40_000), line.draw(2_000..6_000));
            line.slow(node, by_us, length);
            line.now_ms += length;
        }
    },
};
