//! A network that loses, doubles and delays, more and less by turns: everybody stays a member, and
//! everything is answered, if later.

use rand::RngExt;
use rand::rngs::ChaCha12Rng;

use super::{Scenario, at};
use crate::plan::{Fault, Options, Timed};

/// See the module.
pub const LOSSY: Scenario = Scenario {
    name: "lossy",
    about: "packets are lost, doubled and delayed, and one node is slow",
    nodes: (3, 6),
    options: |options, rng| {
        options.loss_ppm = rng.random_range(1_000..30_000);
        options.duplicate_ppm = 10_000;
    },
    faults,
};

fn faults(options: &Options, rng: &mut ChaCha12Rng) -> Vec<Timed<Fault>> {
    let mut faults = Vec::new();
    let mut now = options.formed_ms;
    while now < options.healed_ms {
        let weather = Fault::Weather {
            loss_ppm: rng.random_range(0..80_000),
            duplicate_ppm: rng.random_range(0..20_000),
            jitter_us_max: rng.random_range(100..30_000),
        };
        faults.push(at(now, weather));
        now += rng.random_range(2_000..6_000);
        let node = rng.random_range(0..options.nodes);
        let by_us = rng.random_range(0..40_000);
        faults.push(at(now, Fault::Slow { node, by_us }));
        now += rng.random_range(2_000..6_000);
        faults.push(at(now, Fault::Slow { node, by_us: 0 }));
    }
    faults
}
