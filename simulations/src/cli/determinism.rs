//! `check-determinism`: the same plan gives the same run, in another thread, too, and while others
//! run.

use std::ops::Range;

use simulations::trace::Trace;

use super::level::Level;
use super::source::{draw, scenario};
use super::watched::watched;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The scenario, one of `list` or a TOML file.
    name: String,
    /// First and last seed, the last one exclusive.
    #[arg(long, value_name = "A..B", value_parser = super::seeds)]
    seeds: Range<u64>,
    /// Nodes, instead of as many as the seed draws.
    #[arg(long)]
    nodes: Option<usize>,
    /// What runs the nodes: `core` is the state machine, `quic` the real driver, QUIC and TLS.
    #[arg(long, value_enum, default_value_t)]
    level: Level,
}

/// Runs every seed twice, at the same time. Returns whether the traces were equal.
pub(super) fn check(arguments: &Arguments) -> Result<bool, String> {
    let Arguments { name, seeds, nodes, level } = arguments;
    let scenario = scenario(name, *nodes, *level)?;
    let (mut equal, mut all) = (true, 0);
    for seed in seeds.clone() {
        let named = draw(&scenario, seed, *nodes);
        let run = || watched(&named, Trace::default(), |_| {});
        let (here, there) = std::thread::scope(|scope| {
            let there = scope.spawn(run);
            (run(), there.join().expect("a run does not panic"))
        });
        all = (here.hash ^ u64::rotate_left(all, 23)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if (here.hash, here.events) != (there.hash, there.events) {
            equal = false;
            say!("DIFFERS {name} seed={seed}: {:016x} {:016x}", here.hash, there.hash);
        }
    }
    let count = seeds.end - seeds.start;
    let verdict = if equal { "equal" } else { "DIFFER" };
    // For another process, another build or another machine to compare with.
    say!("{name}: {count} seeds run twice, {all:016x}, traces {verdict}");
    Ok(equal)
}
