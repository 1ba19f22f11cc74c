//! The simulator's command line. One file for each verb; here is what they are told.
//!
//! * [`source`]: where a plan comes from; [`level`]: what runs it; [`saved`]: where a failing one
//!   goes.
//! * [`many`]: `run`; [`progress`]: how far it is; [`once`]: `replay`; [`shrink`], [`report`],
//!   [`determinism`], [`mutants`]: as they are called.
//! * [`watched`]: a run, and what is said should it panic; [`verdict`]: what is said of a failure.

/// Prints a line. Whoever has read enough and closed the pipe ends the program without complaint, and
/// without success, because the rest was not said.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        if let Err(error) = writeln!(std::io::stdout(), $($text)*) {
            if error.kind() != std::io::ErrorKind::BrokenPipe {
                eprintln!("cannot write to standard output: {error}");
            }
            std::process::exit(1);
        }
    }};
}

mod determinism;
mod level;
mod many;
mod mutants;
mod once;
mod progress;
mod report;
mod saved;
mod shrink;
mod source;
mod verdict;
mod watched;

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use simulations::scenarios;

const HELP: &str = "\
Exit codes: 0 all held, 1 an invariant is broken, 2 usage.

Examples:
  cargo simulate run kill --seeds 1..200 --jobs 4
  cargo simulate run swarm --seeds 1..1000000 --time-budget 10m
  cargo simulate run lossy --seeds 1..50 --level quic
  cargo simulate replay kill --seed 17 --frames | less
  cargo simulate replay --plan target/simulations/kill-17.json
  cargo simulate shrink kill --seed 17
  cargo simulate report kill --seeds 1..50 --out kill.html";

/// Runs Chickadee's own nodes in one process, in virtual time, under faults, from a seed.
#[derive(Parser)]
#[command(name = "simulations", version, after_help = HELP)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs a scenario for many seeds, and saves the plans that break an invariant.
    Run(many::Arguments),
    /// Runs one plan, and prints what happens in columns: time, node, event.
    Replay(once::Arguments),
    /// Cuts a plan that breaks an invariant down to what it needs, and saves that.
    Shrink(shrink::Arguments),
    /// Writes a page with pictures: convergence, membership, bytes.
    Report(report::Arguments),
    /// Lists the scenarios.
    List,
    /// Leaves out one rule after the other, and shows which scenario notices.
    Mutants(mutants::Arguments),
    /// Runs every seed in two threads and in another process, and compares the traces.
    CheckDeterminism(determinism::Arguments),
}

/// Where plans that break an invariant are saved.
#[derive(clap::Args)]
struct Out {
    /// Folder for the plans that break an invariant, as JSON.
    #[arg(long = "out", value_name = "DIR", default_value = "target/simulations")]
    folder: PathBuf,
}

/// Runs the command line. An error is a wrong usage, said in one line.
pub(crate) fn main() -> ExitCode {
    watched::name_panics();
    let held = match Arguments::parse().verb {
        Verb::Run(arguments) => many::run(&arguments),
        Verb::Replay(arguments) => once::replay(&arguments),
        Verb::Shrink(arguments) => shrink::shrink(&arguments),
        Verb::Report(arguments) => report::report(&arguments),
        Verb::List => Ok(list()),
        Verb::Mutants(arguments) => mutants::mutants(&arguments),
        Verb::CheckDeterminism(arguments) => determinism::check(&arguments),
    };
    match held {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(usage) => {
            eprintln!("simulations: {usage}");
            ExitCode::from(2)
        }
    }
}

fn list() -> bool {
    for scenario in scenarios::ALL {
        say!("{:<20}  {}", scenario.name, scenario.about);
    }
    true
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; 90s, 10m and 2h are");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    // Nothing run is nothing held.
    let seconds = number.checked_mul(seconds).filter(|seconds| *seconds > 0);
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("{text:?} is no range of seeds; 1..200 is one, 200 not included");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let range = from.parse().map_err(|_| wrong())?..to.parse().map_err(|_| wrong())?;
    if range.is_empty() { Err(wrong()) } else { Ok(range) }
}
