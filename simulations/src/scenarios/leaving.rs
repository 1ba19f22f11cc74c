//! One node after the other leaves for good, sometimes two at a time, and hands over what it holds:
//! nothing is lost, not even where there is one copy of everything.

use rand::RngExt;

use super::{Scenario, pick};
use crate::plan::Fault;

/// See the module.
pub const LEAVING: Scenario = Scenario {
    name: "leaving",
    about: "one node after the other leaves for good, and hands over what it holds",
    nodes: (3, 7),
    options: |options, rng| {
        options.replicas = rng.random_range(1..=3);
        options.keys *= 2;
        options.pause_ms = *pick(&[(20, 120), (4, 20)], rng);
        options.healed_ms = 79_000;
    },
    faults: |line| {
        // The first one is where others find the cluster.
        for node in (1..line.options.nodes).rev() {
            line.happens(Fault::Leave { node });
            let at_once = line.draw(0..4) == 0;
            line.pass(if at_once { 50..2_000 } else { 3_000..9_000 });
        }
    },
};
