//! `run`: many seeds of one scenario.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use simulations::plan::Plan;
use simulations::run::Outcome;
use simulations::trace::Trace;
use simulations::traffic::Traffic;

use super::level::Level;
use super::progress::Progress;
use super::saved::Folder;
use super::source::{Without, again_file, draw, scenario};
use super::watched::{last, watched};
use super::{Out, verdict};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The scenario, one of `list` or a TOML file.
    name: String,
    /// First and last seed, the last one exclusive: 1..200.
    #[arg(long, value_name = "A..B", value_parser = super::seeds)]
    seeds: Range<u64>,
    /// Threads, each with a seed of its own: from 1 to 256.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// No seed is begun after that time: 90s, 10m, 2h.
    #[arg(long, value_name = "TIME", value_parser = super::duration)]
    time_budget: Option<Duration>,
    /// Nodes, instead of as many as the seed draws.
    #[arg(long)]
    nodes: Option<usize>,
    /// What runs the nodes: `core` is the state machine, `quic` the real driver, QUIC and TLS.
    #[arg(long, value_enum, default_value_t)]
    level: Level,
    #[command(flatten)]
    without: Without,
    #[command(flatten)]
    out: Out,
}

/// What came of one seed.
struct Ran {
    outcome: Outcome,
    /// The arguments of `replay` for it.
    again: String,
    /// Within how many milliseconds it should have converged.
    agree_ms: u64,
}

/// Runs many seeds. Returns whether all held.
pub(super) fn run(arguments: &Arguments) -> Result<bool, String> {
    let Arguments { name, seeds, jobs, time_budget, nodes, level, without, out } = arguments;
    let scenario = scenario(name, *nodes, *level)?;
    let folder = Arc::new(Folder::open(&out.folder)?);
    // Only how long it took: nothing in a run knows of this clock.
    let begun = Instant::now();
    let (next, failed) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
    let (ran, progress) = (Mutex::new(BTreeMap::new()), Progress::new());
    let all = seeds.end - seeds.start;
    let in_time = || time_budget.is_none_or(|budget| begun.elapsed() < budget);
    progress.at(0, all, 0);
    std::thread::scope(|scope| {
        for _ in 0..*jobs {
            scope.spawn(|| {
                loop {
                    if !in_time() {
                        return;
                    }
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        return;
                    }
                    let named = draw(&scenario, seed, *nodes).without(without);
                    let (keep, level) = (Arc::clone(&folder), *level);
                    let saves = move |plan: &Plan| save(&keep, plan, level);
                    let outcome = watched(&named, Trace::default(), saves.clone());
                    let mut ran = ran.lock().expect("nobody panics with it");
                    if let Some(violation) = &outcome.violation {
                        progress.clear();
                        failed.fetch_add(1, Ordering::Relaxed);
                        saves(&named.plan);
                        say!("{}", verdict::failure(&named.plan, violation));
                        say!("{}", verdict::replay(&named.again));
                    }
                    let agree_ms = named.plan.options.agree_ms;
                    ran.insert(seed, Ran { outcome, again: named.again, agree_ms });
                    progress.at(ran.len() as u64, all, failed.load(Ordering::Relaxed));
                }
            });
        }
    });
    progress.clear();
    let ran = ran.into_inner().expect("nobody panics with it");
    let count = ran.len() as u64;
    let short = count < all;
    let count = if short { format!("{count} of {all}") } else { count.to_string() };
    let why = if short { ", the time budget is used up" } else { "" };
    Ok(summary(scenario.name(), &(count + " seeds" + why), &ran, begun))
}

fn save(folder: &Folder, plan: &Plan, level: Level) {
    match folder.save(plan, "") {
        Ok(path) => say!("saved: {}", again_file(&path, level)),
        Err(error) => eprintln!("simulations: the plan is not saved: {error}"),
    }
}

/// Says what came of all seeds, the verdict last. Returns whether all held.
fn summary(name: &str, count: &str, ran: &BTreeMap<u64, Ran>, begun: Instant) -> bool {
    let outcomes = || ran.values().map(|ran| &ran.outcome);
    let sum = |of: fn(&Outcome) -> u64| outcomes().map(of).sum::<u64>();
    let failed = outcomes().filter(|outcome| outcome.violation.is_some()).count();
    let mut agreed: Vec<u64> = outcomes().filter_map(|outcome| outcome.agreed_ms).collect();
    agreed.sort_unstable();
    let at = |part: usize| agreed.get(agreed.len() * part / 100).or(agreed.last());
    let seconds = begun.elapsed().as_secs_f64();
    let mut traffic = Traffic::default();
    outcomes().for_each(|outcome| traffic += outcome.traffic);
    say!("sent: {traffic}");
    say!(
        "{name}: {count}, {failed} failed; {} s simulated, {} events, {} operations; \
         agreed after {} ms (p50), {} ms (p99); {:.1} s, {:.1} seeds/s",
        sum(|o| o.simulated_ms) / 1_000,
        sum(|o| o.events),
        sum(|o| o.operations),
        at(50).copied().unwrap_or_default(),
        at(99).copied().unwrap_or_default(),
        seconds,
        ran.len() as f64 / seconds,
    );
    let late = slow(ran, &agreed);
    if let Some((seed, ran, why)) = &late {
        say!("FAIL {name} seed={seed} invariant={PROMPT}: {why}");
        say!("{}", verdict::replay(&ran.again));
    }
    let first =
        ran.iter().find_map(|(seed, ran)| Some((seed, ran, ran.outcome.violation.as_ref()?)));
    if let Some((seed, ran, violation)) = first {
        say!("{}", last(name, violation.invariant, *seed, &ran.again));
    } else if let Some((seed, ran, _)) = &late {
        say!("{}", last(name, PROMPT, *seed, &ran.again));
    }
    failed == 0 && late.is_none()
}

/// So many seeds say something of one in a hundred.
const MANY: usize = 200;
/// What is broken if more than that take too long to converge.
const PROMPT: &str = "convergence-p99";

/// Whether of many seeds more than one in a hundred took longer to converge than they may, by more
/// than chance: the slowest, and how long it took. `agreed`: how long each took, in order.
fn slow<'a>(ran: &'a BTreeMap<u64, Ran>, agreed: &[u64]) -> Option<(u64, &'a Ran, String)> {
    let bound = ran.values().map(|ran| ran.agree_ms).max().filter(|_| agreed.len() >= MANY)?;
    let late = agreed.iter().filter(|ms| **ms > bound).count();
    // Three standard deviations.
    let expected = agreed.len() as f64 / 100.0;
    let allowed = expected + 3.0 * expected.sqrt();
    let slowest = agreed.last()?;
    let (seed, first) = ran.iter().find(|(_, ran)| ran.outcome.agreed_ms == Some(*slowest))?;
    (late as f64 > allowed).then(|| {
        let count = agreed.len();
        let why = format!("{late} of {count} agreed after {bound} ms, this one after {slowest} ms");
        (*seed, first, why)
    })
}
