//! `check-determinism`: the same plan gives the same run, in another thread, too.

use std::ops::Range;

use simulations::trace::Trace;

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
}

/// Runs every seed twice. Returns whether the traces were equal.
pub(super) fn check(arguments: &Arguments) -> Result<bool, String> {
    let Arguments { name, seeds, nodes } = arguments;
    let scenario = scenario(name, *nodes)?;
    let mut equal = true;
    for seed in seeds.clone() {
        let named = draw(&scenario, seed, *nodes);
        let run = || watched(&named, Trace::default(), |_| {});
        let here = run();
        let there =
            std::thread::scope(|scope| scope.spawn(run).join().expect("a run does not panic"));
        if (here.hash, here.events) != (there.hash, there.events) {
            equal = false;
            println!("DIFFERS {name} seed={seed}: {:016x} {:016x}", here.hash, there.hash);
        }
    }
    let count = seeds.end - seeds.start;
    println!("{name}: {count} seeds run twice, traces {}", if equal { "equal" } else { "DIFFER" });
    Ok(equal)
}
