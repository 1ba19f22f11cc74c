//! Nodes start anew within milliseconds, while writes that they have acknowledged still wait for a
//! third that is stopped: what they covered in the life before says nothing about this one.

use super::Scenario;

/// See the module.
pub const QUICK_RESTART: Scenario = Scenario {
    name: "quick-restart",
    about: "nodes are killed and there again at once, while others are stopped for a moment",
    nodes: (3, 5),
    options: |options, _| {
        options.latency_us_max = 5_000;
        options.pause_ms = (5, 40);
        options.restarts_seeded = true;
        options.healed_ms = 39_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(0..1_500);
            let ((stopped, killed), length) = (line.pair(), line.draw(100..600));
            line.stall(stopped, length);
            line.pass(1..100);
            let away = line.draw(2..40);
            line.crash(killed, away);
            line.now_ms += length + 2_000;
        }
    },
};

/// What was written while one owner is stopped has been acknowledged by the others, and the one that
/// wrote it is killed just before that owner goes on: what it lacks, only those know who took it
/// (quick-restart seeds 5016 and 5133).
pub const LAST_WORDS: Scenario = Scenario {
    name: "last-words",
    about: "a node is stopped for a moment, and who wrote meanwhile is killed before it goes on",
    nodes: (3, 4),
    options: |options, _| {
        options.latency_us_max = 2_000;
        options.pause_ms = (4, 16);
        options.keys = 12;
        options.restarts_seeded = true;
        options.healed_ms = 39_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(0..1_500);
            let ((stopped, killed), length) = (line.pair(), line.draw(120..180));
            line.stall(stopped, length);
            line.now_ms += length - line.draw(20..60);
            let away = line.draw(2..10);
            line.crash(killed, away);
            line.now_ms += 2_000;
        }
    },
};

/// Nothing else happens than that a node is there again at once: nobody has noticed that it was
/// gone, and what is said in the sessions with its former life nobody hears (the twelfth story).
pub const FORMER_LIFE: Scenario = Scenario {
    name: "former-life",
    about: "a node is killed and there again before anybody has noticed",
    nodes: (3, 3),
    options: |options, _| {
        options.restarts_seeded = true;
        options.healed_ms = 29_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(0..2_000);
            let (node, away) = (line.node(), line.draw(2..500));
            line.crash(node, away);
            line.now_ms += away + line.options.stable_ms;
        }
    },
};

/// Nor does it know a seed, and little is asked of anybody: until it is called it serves alone, and
/// that it holds nothing is all it can say.
pub const UNSEEDED_RESTART: Scenario = Scenario {
    name: "unseeded-restart",
    about: "a node without seeds is there again at once, where little is asked of it",
    nodes: (12, 16),
    options: |options, _| {
        options.restarts_seeded = false;
        options.replicas = 1;
        options.pause_ms = (300, 1_500);
        options.healed_ms = 49_000;
    },
    faults: FORMER_LIFE.faults,
};
