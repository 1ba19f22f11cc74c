//! A rolling restart: every node is asked to stop and started again, one at a time, the next only
//! when the one before has had time to get everything. No key may be lost.

use rand::RngExt;
use rand::rngs::ChaCha12Rng;

use super::{Scenario, at};
use crate::plan::{Fault, Options, Timed};

/// Time for a restarted node to get everything, in milliseconds.
const STABLE_MS: u64 = 8_000;

/// See the module.
pub const RESTART: Scenario = Scenario {
    name: "restart",
    about: "a rolling restart: every node stops gracefully and starts again, one at a time",
    nodes: (3, 5),
    options: |options, _| options.healed_ms = 14_000 + options.nodes as u64 * 13_000,
    faults,
};

fn faults(options: &Options, rng: &mut ChaCha12Rng) -> Vec<Timed<Fault>> {
    let mut faults = Vec::new();
    let mut now = options.formed_ms;
    for node in 0..options.nodes {
        now += rng.random_range(0..1_000);
        faults.push(at(now, Fault::Stop { node }));
        // The process exits within 1.5 s.
        now += rng.random_range(1_600..4_000);
        let seeded = options.restarts_seeded;
        faults.push(at(now, Fault::Start { node, seeded }));
        now += STABLE_MS;
    }
    faults
}
