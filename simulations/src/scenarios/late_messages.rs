//! Some messages of the exchange come seconds late, out of order, and after their sender was killed
//! and started again. A stream keeps its order; but what a link brought that is being replaced is
//! read behind what its successor has brought, and a relayed acknowledgement comes from a third.

use super::Scenario;
use super::timeline::Timeline;
use crate::plan::{Fault, Options};

/// See the module.
pub const LATE_MESSAGES: Scenario = Scenario {
    name: "late-messages",
    about: "messages of the exchange come late and out of order, while nodes die and links are cut",
    nodes: (4, 6),
    options: |options, _| {
        options.late_ppm = 100_000;
        options.bulk_ends_ppm = 20_000;
        options.restarts_seeded = true;
        options.latency_us_max = 15_000;
        options.partitions = 4;
        options.pause_ms = (10, 60);
        options.healed_ms = 69_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(0..1_500);
            match line.draw(0..5) {
                0 | 1 => {
                    let (node, away) = (line.node(), line.draw(2..2_000));
                    line.crash(node, away);
                    line.now_ms += away;
                }
                2 => {
                    let (nodes, length) = (line.half(), line.draw(3_000..9_000));
                    line.split_raggedly(nodes, length, 2_000);
                    line.now_ms += length + 2_000;
                }
                3 => {
                    let (node, length) = (line.node(), line.draw(100..4_000));
                    line.stall(node, length);
                    line.now_ms += length;
                }
                _ => {
                    let (pair, length) = (line.pair(), line.draw(100..1_500));
                    line.part(pair, length);
                    line.now_ms += length;
                }
            }
            line.pass(500..4_000);
        }
    },
};

/// What was said before a node gave a partition up comes when it has taken it up again: a floor that
/// has moved since would make it valid (the fifth story).
pub const LATE_FLOOR: Scenario = Scenario {
    name: "late-floor",
    about: "nodes join and leave for good, so that others give up partitions and take them up again",
    nodes: (3, 4),
    options: |options, _| {
        often_late(options);
        options.late_ppm = 100_000;
        options.joiners = 4;
        options.replicas = 2;
        options.healed_ms = 59_000;
    },
    faults: |line| {
        for joiner in line.options.nodes..line.options.nodes + line.options.joiners {
            line.happens(Fault::Start { node: joiner, seeded: true });
            line.pass(4_000..7_000);
            line.happens(Fault::Leave { node: joiner });
            line.pass(4_000..6_000);
        }
    },
};

/// What a node offered comes when it has died and begun a new life: what it covered then would count
/// as covered now (the sixth story).
pub const LATE_OFFER: Scenario = Scenario {
    name: "late-offer",
    about: "what a node has offered comes late, when it has been killed and started again",
    nodes: (3, 3),
    options: |options, _| often_late(options),
    faults: |line| restarts(line, 500, 1_500),
};

/// A node starts anew within milliseconds, and what its former process was told, or said, comes when
/// the numbers of the new one have come as far (the seventh story).
pub const FORMER_PROCESS: Scenario = Scenario {
    name: "former-process",
    about: "a node is killed and there again at once, and messages of its former process are late",
    nodes: (3, 3),
    options: |options, _| often_late(options),
    faults: |line| restarts(line, 2, 100),
};

fn often_late(options: &mut Options) {
    options.late_ppm = 200_000;
    options.restarts_seeded = true;
    options.partitions = 4;
    options.pause_ms = (10, 60);
    options.healed_ms = 39_000;
}

fn restarts(line: &mut Timeline<'_>, shortest: u64, longest: u64) {
    while line.goes_on() {
        line.pass(0..1_000);
        let (node, away) = (line.node(), line.draw(shortest..longest));
        line.crash(node, away);
        line.now_ms += away;
        line.pass(2_000..4_000);
    }
}
