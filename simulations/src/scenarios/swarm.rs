//! Everything: the seed draws which kinds of faults there are and how often, how many nodes of which
//! shares and domains, how many copies, how much memory, and whether faults outlast the end for
//! those outside of a core.

use rand::RngExt;
use rand::rngs::ChaCha12Rng;

use super::timeline::Timeline;
use super::{Scenario, pick};
use crate::plan::{Fault, Options};

/// See the module.
pub const SWARM: Scenario = Scenario {
    name: "swarm",
    about: "the seed draws everything: kinds and rates of faults, nodes, copies, memory",
    nodes: (3, 20),
    options,
    faults: |line| {
        let kinds = kinds(line);
        // Whether a fault may begin before the one before it has been mended.
        let overlapping = line.rng.random_bool(0.3);
        let pause_ms = *pick(&[1_000, 4_000, 12_000], line.rng);
        let mut joined = 0;
        while line.goes_on() {
            line.pass(0..pause_ms);
            let kind = *pick(&kinds, line.rng);
            let length = happen(kind, &mut joined, line);
            line.now_ms += match overlapping {
                true => line.draw(0..length.max(1)),
                false => length + line.options.stable_ms,
            };
        }
    },
};

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Crash,
    Restart,
    Leave,
    Join,
    Stall,
    Split,
    Cut,
    Flap,
    Weather,
    Slow,
    Throttle,
    Clock,
}

const KINDS: [Kind; 12] = [
    Kind::Crash,
    Kind::Restart,
    Kind::Leave,
    Kind::Join,
    Kind::Stall,
    Kind::Split,
    Kind::Cut,
    Kind::Flap,
    Kind::Weather,
    Kind::Slow,
    Kind::Throttle,
    Kind::Clock,
];

fn options(options: &mut Options, rng: &mut ChaCha12Rng) {
    options.healed_ms = options.formed_ms + 120_000;
    options.replicas = rng.random_range(1..=3);
    options.partitions = *pick(&[4, 8, 16], rng);
    options.joiners = rng.random_range(0..4);
    options.zones = *pick(&[0, 0, 2, 3], rng);
    if rng.random_bool(0.3) {
        // The last one only coordinates.
        options.weights = vec![64, 16, 128, 64, 0];
    }
    options.pause_ms = (100, 600);
    if rng.random_bool(0.3) {
        // Room for about half of what is written.
        options.value_bytes = rng.random_range(100..400);
        let keys = options.keys * crate::workload::LETTERS.len();
        let all = keys * (options.value_bytes + 100) * usize::from(options.replicas);
        options.memory_bytes_max = (all / options.nodes / 2).max(4 << 10);
    }
    options.stable_ms = *pick(&[2_000, 6_000, 10_000], rng);
    if rng.random_bool(0.2) {
        let most = options.nodes / 2 + 1;
        let size = rng.random_range(most..=options.nodes);
        options.core = (0..size).collect();
    }
}

/// Which kinds there are: each with even odds, at least one.
fn kinds(line: &mut Timeline<'_>) -> Vec<Kind> {
    let kinds: Vec<Kind> = KINDS.into_iter().filter(|_| line.rng.random_bool(0.5)).collect();
    if kinds.is_empty() { vec![Kind::Crash] } else { kinds }
}

/// Lets a fault of that kind happen. Returns how long it lasts, in milliseconds.
fn happen(kind: Kind, joined: &mut usize, line: &mut Timeline<'_>) -> u64 {
    let node = line.node();
    let length = match line.draw(0..3) {
        0 => line.draw(50..1_000),
        1 => line.draw(1_000..5_000),
        _ => line.draw(5_000..20_000),
    };
    match kind {
        Kind::Crash => line.crash(node, length),
        Kind::Restart => line.restart(node, length.max(1_600)),
        // The first ones are the seeds of all others.
        Kind::Leave if node >= 3 && node > line.options.nodes / 2 => {
            line.happens(Fault::Leave { node });
        }
        Kind::Join if *joined < line.options.joiners => {
            let node = line.options.nodes + *joined;
            *joined += 1;
            line.happens(Fault::Start { node, seeded: true });
        }
        Kind::Leave | Kind::Join => {}
        Kind::Stall => line.stall(node, length),
        Kind::Split => {
            let nodes = line.half();
            line.split(nodes, length);
        }
        Kind::Cut => {
            let pair = line.pair();
            line.cut(pair, length);
        }
        Kind::Flap => {
            let begun = line.now_ms;
            for _ in 0..line.draw(3..10) {
                let short = line.draw(50..1_000);
                line.split(vec![node], short);
                line.now_ms += short;
                line.pass(50..1_000);
            }
            let length = line.now_ms - begun;
            line.now_ms = begun;
            return length;
        }
        Kind::Weather => {
            line.weather(100_000, 20_000, 30_000);
            line.calms_in(length);
        }
        Kind::Slow => {
            let by_us = line.draw(500..100_000);
            line.slow(node, by_us, length);
        }
        Kind::Throttle => {
            let (pair, rate) = (line.pair(), line.draw(5_000..500_000));
            line.throttle(pair, rate, length);
        }
        Kind::Clock => {
            let by_ms = line.rng.random_range(-20_000..20_000);
            line.happens(Fault::Clock { node, by_ms });
            line.happens_in(length, Fault::Clock { node, by_ms: -by_ms });
        }
    }
    length
}
