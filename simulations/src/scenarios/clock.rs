//! Clocks that are off, run at other rates, or jump: the last writer still wins, stamps are never
//! believed far ahead, and what ends, ends everywhere.

use rand::RngExt;

use super::Scenario;
use crate::plan::Fault;

/// Wall clocks off from each other by nearly as much as is believed, timers with two per cent more or
/// less in rate; nodes die meanwhile.
pub const CLOCK_SKEW: Scenario = Scenario {
    name: "clock-skew",
    about: "wall clocks are 400 ms apart, timers off by 2 %, and nodes are killed",
    nodes: (3, 6),
    options: |options, _| {
        options.wall_off_ms_max = 200;
        options.rate_ppm_max = 20_000;
    },
    faults: super::kill::KILL.faults,
};

/// One wall clock after the other is set, a little or by hours, and set back later; some nodes start
/// anew in between.
pub const CLOCK_JUMP: Scenario = Scenario {
    name: "clock-jump",
    about: "wall clocks are set, by less and by more than is believed, and nodes restarted",
    nodes: (3, 6),
    options: |options, _| options.wall_off_ms_max = 100,
    faults: |line| {
        while line.goes_on() {
            let node = line.node();
            line.pass(0..3_000);
            let far = match line.draw(0..3) {
                0 => line.draw(10..450),
                1 => line.draw(600..10_000),
                _ => line.draw(60_000..36_000_000),
            } as i64;
            let by_ms = if line.draw(0..2) == 0 { far } else { -far };
            line.happens(Fault::Clock { node, by_ms });
            let length = line.draw(500..8_000);
            if line.draw(0..3) == 0 {
                // It comes back believing its own clock, until it hears of the others'.
                let away = line.draw(1..length / 2);
                line.crash(node, away);
            }
            line.now_ms += length;
            line.happens(Fault::Clock { node, by_ms: -by_ms });
            line.pass(0..length.max(2));
        }
    },
};

/// Two nodes, and each comes back now and then believing a clock that is seconds off, sometimes while
/// they are apart: there is no majority that would know better, and both go on taking writes.
pub const CLOCK_RESTART: Scenario = Scenario {
    name: "clock-restart",
    about: "of two nodes, one after the other starts anew with a clock that is seconds off",
    nodes: (2, 2),
    options: |options, rng| {
        options.wall_off_ms_max = 100;
        options.healed_ms = 69_000;
        // With one copy, half of what a node writes is for the other alone to take.
        options.replicas = rng.random_range(1..=2);
    },
    faults: |line| {
        while line.goes_on() {
            let node = line.node();
            line.pass(0..2_000);
            let far = line.draw(600..20_000) as i64;
            let by_ms = if line.draw(0..2) == 0 { far } else { -far };
            let (away, length) = (line.draw(1_600..4_000), line.draw(8_000..16_000));
            line.restart(node, away);
            line.happens_in(away / 2, Fault::Clock { node, by_ms });
            if by_ms < 0 && line.draw(0..2) == 0 {
                // It serves alone for a while. (With a clock ahead it would stamp what is ahead.)
                line.split(vec![node], away + length / 2);
            }
            line.now_ms += away + length;
            line.happens(Fault::Clock { node, by_ms: -by_ms });
            line.pass(1_000..3_000);
        }
    },
};
