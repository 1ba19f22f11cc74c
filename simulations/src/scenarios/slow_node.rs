//! A node, or a link, is slow: not dead, not fast enough to be waited for, now and then so busy that
//! it does nothing for a moment.

use super::{Scenario, UNCHANGED};

/// See the module.
pub const SLOW_NODE: Scenario = Scenario {
    name: "slow-node",
    about: "a node answers late, pauses for moments, or few bytes pass on a link",
    nodes: (3, 6),
    options: UNCHANGED,
    faults: |line| {
        while line.goes_on() {
            line.pass(0..2_000);
            let length = line.draw(1_000..12_000);
            match line.draw(0..3) {
                0 => {
                    let (node, by_us) = (line.node(), line.draw(1_000..60_000));
                    line.slow(node, by_us, length);
                    line.now_ms += length;
                }
                1 => {
                    let (pair, rate) = (line.pair(), line.draw(10_000..200_000));
                    line.throttle(pair, rate, length);
                    line.now_ms += length;
                }
                _ => {
                    let node = line.node();
                    for _ in 0..line.draw(3..20) {
                        let pause = line.draw(20..150);
                        line.stall(node, pause);
                        line.now_ms += pause;
                        line.pass(20..500);
                    }
                }
            }
            line.pass(0..line.options.stable_ms);
        }
    },
};

/// All that passes between two nodes takes a third of a second for half a minute: each looks late to
/// the other, though both clocks are right, and what ends is to end when it should.
pub const SLOW_WAYS: Scenario = Scenario {
    name: "slow-ways",
    about: "two nodes, and for half a minute everything takes 350 ms between them",
    nodes: (2, 2),
    options: |options, _| {
        options.replicas = 2;
        options.latency_us_max = 2_000;
        options.restarts_seeded = true;
        options.clients = 2;
        options.pause_ms = (400, 2_000);
        options.ending_ppm = 400_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(0..2_000);
            let length = line.draw(20_000..30_000);
            line.slow(0, 350_000, length);
            line.now_ms += length;
            line.pass(0..line.options.stable_ms);
        }
    },
};
