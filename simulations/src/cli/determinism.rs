//! `check-determinism`: the same plan gives the same run, in another thread and in another process,
//! while others run.

use std::ops::Range;
use std::process::{Child, Command, Stdio};

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
    /// Prints the trace of each seed, and compares nothing: the other process does this.
    #[arg(long, hide = true)]
    print: bool,
}

/// Runs every seed in two threads and in another process, at the same time. Returns whether the
/// traces were equal.
pub(super) fn check(arguments: &Arguments) -> Result<bool, String> {
    let Arguments { name, seeds, nodes, level, print } = arguments;
    let scenario = scenario(name, *nodes, *level)?;
    let trace = |seed| {
        let outcome = watched(&draw(&scenario, seed, *nodes), Trace::default(), |_| {});
        (outcome.hash, line(seed, outcome.hash, outcome.events))
    };
    if *print {
        seeds.clone().for_each(|seed| say!("{}", trace(seed).1));
        return Ok(true);
    }
    let other = start_other(arguments).map_err(|why| format!("no other process: {why}"))?;
    let (mut all, mut told) = (0, Vec::new());
    for seed in seeds.clone() {
        let ((hash, here), (_, there)) = std::thread::scope(|scope| {
            let there = scope.spawn(|| trace(seed));
            (trace(seed), there.join().expect("a run does not panic"))
        });
        all = (hash ^ u64::rotate_left(all, 23)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        told.push((seed, here, there));
    }
    let output = other.wait_with_output().map_err(|why| format!("the other process: {why}"))?;
    let output = String::from_utf8_lossy(&output.stdout);
    let mut elsewhere = output.lines();
    let mut equal = true;
    for (seed, here, there) in told {
        let elsewhere = elsewhere.next().unwrap_or("nothing, the other process has ended");
        if here != there || here != elsewhere {
            equal = false;
            say!("DIFFERS {name} seed={seed}: {here}");
            say!("in another thread: {there}; in another process: {elsewhere}");
        }
    }
    let count = seeds.end - seeds.start;
    let verdict = if equal { "equal" } else { "DIFFER" };
    // For another build or another machine to compare with.
    say!("{name}: {count} seeds, in two threads and another process, {all:016x}, traces {verdict}");
    Ok(equal)
}

fn line(seed: u64, hash: u64, events: u64) -> String {
    format!("{seed} {hash:016x} {events} events")
}

/// This program again, with the same arguments.
fn start_other(arguments: &Arguments) -> std::io::Result<Child> {
    let Arguments { name, seeds, nodes, level, .. } = arguments;
    let mut command = Command::new(std::env::current_exe()?);
    let range = format!("{}..{}", seeds.start, seeds.end);
    command.args(["check-determinism", name, "--print", "--seeds", &range]);
    command.args(level.argument().split_whitespace());
    if let Some(nodes) = nodes {
        command.arg("--nodes").arg(nodes.to_string());
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
}
