//! `mutants`: one rule after the other is left out, until a scenario notices.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use chickadee::store::Rules;
use simulations::checkers::Violation;
use simulations::mutants::{ALL, Mutant};
use simulations::plan::Plan;
use simulations::scenarios::Scenario;
use simulations::trace::Trace;

use super::level::Level;
use super::source::{Named, rule};
use super::watched::watched;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Seeds of each scenario, at most.
    #[arg(long, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Only mutants without this rule; may be said several times.
    #[arg(long, value_name = "RULE", value_parser = rule)]
    only: Vec<String>,
    /// Threads, each with a mutant of its own: from 1 to 256.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// No seed is begun after that time: 90s, 10m, 2h.
    #[arg(long, value_name = "TIME", value_parser = super::duration)]
    time_budget: Option<Duration>,
    /// Says what each rule is, and runs nothing.
    #[arg(long)]
    list: bool,
}

/// How a mutant fared.
struct Fared {
    /// The scenario and the invariant it broke, if it was caught.
    caught: Option<(&'static Scenario, Violation)>,
    /// Runs until then.
    seeds: u64,
    /// All seeds were tried.
    is_whole: bool,
}

/// Lets the scenarios catch the mutants. Returns whether all were caught.
pub(super) fn mutants(arguments: &Arguments) -> Result<bool, String> {
    if arguments.list {
        Rules::ALL.iter().for_each(|(name, about)| say!("{name:<20}  {about}"));
        return Ok(true);
    }
    let wanted = |mutant: &&Mutant| {
        let only = &arguments.only;
        only.is_empty() || mutant.without.iter().any(|rule| only.iter().any(|name| name == rule))
    };
    let begun = Instant::now();
    let in_time = || arguments.time_budget.is_none_or(|budget| begun.elapsed() < budget);
    let all: Vec<&Mutant> = ALL.iter().filter(wanted).collect();
    let (next, missed) = (Mutex::new(all.iter()), Mutex::new(Vec::new()));
    let untried = Mutex::new(Vec::new());
    say!("| without | scenario | invariant | seeds |\n|---|---|---|---|");
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs {
            scope.spawn(|| {
                loop {
                    let mutant = next.lock().expect("nobody panics with it").next();
                    let Some(mutant) = mutant else { return };
                    let fared = fare(mutant, arguments.seeds, &in_time);
                    let name = || mutant.without.join(" and ");
                    if fared.caught.is_none() && !fared.is_whole {
                        untried.lock().expect("nobody panics with it").push(name());
                        continue;
                    }
                    say!("{}", row(mutant, &fared));
                    if fared.caught.is_none() {
                        missed.lock().expect("nobody panics with it").push(name());
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().expect("nobody panics with it");
    let untried = untried.into_inner().expect("nobody panics with it");
    let (count, seconds) = (all.len() - untried.len(), begun.elapsed().as_secs_f64());
    say!("\n{count} mutants, {} not caught, {seconds:.1} s", missed.len());
    if !untried.is_empty() {
        say!("the time budget is used up: not tried, or not in all seeds: {}", untried.join(", "));
    }
    if !missed.is_empty() {
        say!("FAILED nobody noticed that these are missing: {}", missed.join(", "));
    }
    Ok(missed.is_empty())
}

fn fare(mutant: &Mutant, seeds: u64, in_time: &impl Fn() -> bool) -> Fared {
    let mut ran = 0;
    for scenario in mutant.scenarios {
        for seed in 1..=seeds {
            if !in_time() {
                return Fared { caught: None, seeds: ran, is_whole: false };
            }
            ran += 1;
            if let Some(violation) = mutant.caught(scenario, seed, runs) {
                let caught = Some((*scenario, violation));
                return Fared { caught, seeds: ran, is_whole: true };
            }
        }
    }
    Fared { caught: None, seeds: ran, is_whole: true }
}

/// Runs a plan. Returns what it broke.
fn runs(plan: Plan) -> Option<Violation> {
    let without: String = plan.without.iter().map(|rule| format!(" --without {rule}")).collect();
    let again = format!("{} --seed {}{without}", plan.scenario, plan.seed);
    watched(&Named { plan, level: Level::default(), again }, Trace::default(), |_| {}).violation
}

/// A line of the table.
fn row(mutant: &Mutant, fared: &Fared) -> String {
    let (name, seeds) = (mutant.without.join(", "), fared.seeds);
    match &fared.caught {
        Some((scenario, violation)) => {
            let invariant = violation.invariant;
            format!("| {name} | {} | {invariant} | {seeds} |", scenario.name)
        }
        None => format!("| {name} | none | | {seeds} |"),
    }
}
