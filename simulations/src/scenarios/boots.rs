//! Nodes that start anew, or join, are long about taking over what others hold, and meanwhile it
//! changes: what they have already is removed, or is not theirs any more, or is lacking in what they
//! were told first.

use super::Scenario;
use crate::plan::Fault;

/// A value comes in an early part of what a node that starts anew takes over. Before it has the rest
/// the node is cut off for so long that nobody waits for it, and the value is removed elsewhere and
/// forgotten: it is to be judged before it is trusted (the first story).
pub const STREAMED_BOOT: Scenario = Scenario {
    name: "streamed-boot",
    about: "a node is cut off while it boots, for so long that what it has is removed and forgotten",
    nodes: (3, 3),
    options: |options, _| {
        options.restarts_seeded = true;
        options.partitions = 4;
        options.keys = 24;
        options.value_bytes = 20_000;
        options.memory_bytes_max = 64 << 20;
        options.pause_ms = (200, 1_500);
        options.healed_ms = options.formed_ms + 200_000;
    },
    faults: |line| {
        line.pass(10_000..15_000);
        let node = line.node();
        let away = line.draw(500..2_000);
        line.crash(node, away);
        let by_us = line.draw(100_000..150_000);
        line.slow(node, by_us, away + 10_000);
        line.now_ms += away;
        line.pass(2_000..4_000);
        let length = line.draw(135_000..160_000);
        line.split(vec![node], length);
    },
};

/// Each owner has evicted something else, and a node that starts anew has heard one of them out, and
/// not the other: what that one has and it lacks is not for it to judge yet (the third story).
pub const HALF_BOOTED_JUDGE: Scenario = Scenario {
    name: "half-booted-judge",
    about: "a node starts anew, again and again, among owners that have evicted different things",
    nodes: (4, 4),
    options: |options, _| {
        options.latency_us_max = 15_000;
        options.restarts_seeded = true;
        options.keys = 40;
        options.value_bytes = 300;
        // Less than half of what is written, so that each owner evicts something else.
        options.memory_bytes_max = 36_000;
    },
    faults: |line| {
        let node = line.node();
        while line.goes_on() {
            line.pass(2_000..6_000);
            let away = line.draw(1_000..7_000);
            line.crash(node, away);
            line.now_ms += away;
        }
    },
};

/// One after the other joins, and takes partitions from one that has not booted them yet, but has
/// acknowledged what was written meanwhile: there is one copy of everything (the fourteenth story).
pub const NO_LONGER_OWNER: Scenario = Scenario {
    name: "no-longer-owner",
    about: "nodes join while those before them still boot what they are to own instead",
    nodes: (2, 2),
    options: |options, _| {
        options.joiners = 4;
        options.replicas = 1;
        options.keys *= 4;
        options.partitions = 8;
        options.value_bytes = 30_000;
        options.memory_bytes_max = 64 << 20;
        options.pause_ms = (40, 200);
        options.healed_ms = 39_000;
    },
    faults: |line| {
        line.pass(5_000..7_000);
        for joiner in line.options.nodes..line.options.nodes + line.options.joiners {
            let by_us = line.draw(100_000..150_000);
            line.slow(joiner, by_us, 20_000);
            line.happens(Fault::Start { node: joiner, seeded: true });
            line.pass(2_500..5_000);
        }
    },
};
