//! The simulator's command line.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::{Parser, Subcommand};
use simulations::plan::Plan;
use simulations::run::{Outcome, run};
use simulations::scenarios::{self, NODES_MAX, Scenario};
use simulations::trace::Trace;
use simulations::traffic::Traffic;

/// Runs Chickadee's own nodes in one process, in virtual time, under faults, from a seed.
#[derive(Parser)]
#[command(
    name = "simulations",
    version,
    after_help = "Exit codes: 0 all held, 1 an invariant is broken, 2 usage.\n\nExamples:\n  simulations run kill --seeds 1..200\n  simulations replay kill --seed 17 --frames | less"
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs a scenario for many seeds.
    Run {
        /// The scenario; `list` names them.
        name: String,
        /// First and last seed, the last one exclusive: 1..200.
        #[arg(long, value_parser = seeds)]
        seeds: Range<u64>,
        /// Threads.
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// Nodes, instead of as many as the seed draws.
        #[arg(long)]
        nodes: Option<usize>,
    },
    /// Runs one seed, and prints what happens in columns: time, node, event.
    Replay {
        /// The scenario.
        name: String,
        /// The seed.
        #[arg(long)]
        seed: u64,
        /// Nodes, if the run was given a number.
        #[arg(long)]
        nodes: Option<usize>,
        /// Prints every frame, too.
        #[arg(long)]
        frames: bool,
        /// Prints the plan as JSON instead of running it.
        #[arg(long)]
        plan: bool,
    },
    /// Lists the scenarios.
    List,
    /// Runs every seed twice, the second time in another thread, and compares the traces.
    CheckDeterminism {
        /// The scenario.
        name: String,
        /// First and last seed, the last one exclusive.
        #[arg(long, value_parser = seeds)]
        seeds: Range<u64>,
        /// Nodes, instead of as many as the seed draws.
        #[arg(long)]
        nodes: Option<usize>,
    },
}

fn main() -> ExitCode {
    name_panics();
    let verb = Arguments::parse().verb;
    match carry_out(verb) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(usage) => {
            eprintln!("simulations: {usage}");
            ExitCode::from(2)
        }
    }
}

fn carry_out(verb: Verb) -> Result<bool, String> {
    match verb {
        Verb::List => {
            for scenario in scenarios::ALL {
                println!("{:<20}  {}", scenario.name, scenario.about);
            }
            Ok(true)
        }
        Verb::Run { name, seeds, jobs, nodes } => {
            Ok(many(scenario(&name, nodes)?, seeds, jobs.max(1), nodes))
        }
        Verb::Replay { name, seed, nodes, frames, plan: print } => {
            let plan = scenario(&name, nodes)?.plan(seed, nodes);
            if print {
                let json = serde_json::to_string_pretty(&plan).map_err(|e| e.to_string())?;
                println!("{json}");
                return Ok(true);
            }
            println!("{:?}", plan.options);
            let trace = Trace::printing(frames);
            let outcome = watched(&plan, nodes, trace);
            println!("trace {:016x}", outcome.hash);
            Ok(report(&plan, nodes, &outcome))
        }
        Verb::CheckDeterminism { name, seeds, nodes } => {
            let scenario = scenario(&name, nodes)?;
            let mut equal = true;
            for seed in seeds.clone() {
                let plan = scenario.plan(seed, nodes);
                let here = watched(&plan, nodes, Trace::default());
                let there = std::thread::scope(|scope| {
                    let run = || watched(&plan, nodes, Trace::default());
                    scope.spawn(run).join().expect("a run does not panic")
                });
                if (here.hash, here.events) != (there.hash, there.events) {
                    equal = false;
                    println!("DIFFERS {name} seed={seed}: {:016x} {:016x}", here.hash, there.hash);
                }
            }
            let count = seeds.end - seeds.start;
            println!(
                "{name}: {count} seeds run twice, traces {}",
                if equal { "equal" } else { "DIFFER" }
            );
            Ok(equal)
        }
    }
}

fn scenario(name: &str, nodes: Option<usize>) -> Result<&'static Scenario, String> {
    if nodes.is_some_and(|n| !(1..=NODES_MAX - 10).contains(&n)) {
        return Err(format!("--nodes must be from 1 to {}", NODES_MAX - 10));
    }
    let names: Vec<_> = scenarios::ALL.iter().map(|s| s.name).collect();
    scenarios::find(name)
        .ok_or_else(|| format!("there is no scenario {name:?}; there are {}", names.join(", ")))
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("{text:?} is no range of seeds; 1..200 is one, 200 not included");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let range = from.parse().map_err(|_| wrong())?..to.parse().map_err(|_| wrong())?;
    if range.is_empty() { Err(wrong()) } else { Ok(range) }
}

/// Runs many seeds. Returns whether all held.
fn many(scenario: &Scenario, seeds: Range<u64>, jobs: usize, nodes: Option<usize>) -> bool {
    // Only how long it took: nothing in a run knows of this clock.
    let begun = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let outcomes = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        return;
                    }
                    let plan = scenario.plan(seed, nodes);
                    let outcome = watched(&plan, nodes, Trace::default());
                    report(&plan, nodes, &outcome);
                    outcomes.lock().expect("nobody panics with it").insert(seed, outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().expect("nobody panics with it");
    let sum = |of: fn(&Outcome) -> u64| outcomes.values().map(of).sum::<u64>();
    let failed = outcomes.values().filter(|o| o.violation.is_some()).count();
    let mut agreed: Vec<u64> = outcomes.values().filter_map(|o| o.agreed_ms).collect();
    agreed.sort_unstable();
    let at = |part: usize| agreed.get(agreed.len() * part / 100).or(agreed.last());
    let seconds = begun.elapsed().as_secs_f64();
    let mut traffic = Traffic::default();
    outcomes.values().for_each(|outcome| traffic += outcome.traffic);
    println!("sent: {traffic}");
    println!(
        "{}: {} seeds, {failed} failed; {} s simulated, {} events, {} operations; \
         agreed after {} ms (p50), {} ms (p99); {:.1} s, {:.1} seeds/s",
        scenario.name,
        outcomes.len(),
        sum(|o| o.simulated_ms) / 1_000,
        sum(|o| o.events),
        sum(|o| o.operations),
        at(50).copied().unwrap_or_default(),
        at(99).copied().unwrap_or_default(),
        seconds,
        outcomes.len() as f64 / seconds,
    );
    failed == 0
}

thread_local! {
    /// What to say should the run of this thread panic.
    static RUNNING: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a plan; should it panic, [`name_panics`] says which.
fn watched(plan: &Plan, nodes: Option<usize>, trace: Trace) -> Outcome {
    let (name, seed) = (&plan.scenario, plan.seed);
    let line = format!("FAIL {name} seed={seed} invariant=no-panic\n{}", again(plan, nodes));
    RUNNING.replace(line);
    let outcome = run(plan, trace);
    RUNNING.take();
    outcome
}

/// Makes a panic say which seed it belongs to: release builds abort, so nobody can say it later.
fn name_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        usual(info);
        let line = RUNNING.take();
        if !line.is_empty() {
            println!("{line}");
            std::process::exit(1);
        }
    }));
}

/// Prints the failure, if there is one. Returns whether all held.
fn report(plan: &Plan, nodes: Option<usize>, outcome: &Outcome) -> bool {
    let Some(violation) = &outcome.violation else {
        return true;
    };
    println!("FAIL {} seed={} {violation}\n{}", plan.scenario, plan.seed, again(plan, nodes));
    false
}

fn again(plan: &Plan, nodes: Option<usize>) -> String {
    let nodes = nodes.map_or(String::new(), |n| format!(" --nodes {n}"));
    format!(
        "replay: cargo run --release -p simulations -- replay {} --seed {}{nodes}",
        plan.scenario, plan.seed
    )
}
