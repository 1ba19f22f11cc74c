//! `report`: a page with pictures.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use simulations::report::Report;
use simulations::run::Recording;
use simulations::trace::Trace;

use super::level::Level;
use super::source::{Named, Without, again_file, draw, read, scenario};
use super::verdict;
use super::watched::{last, watching};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The scenario; `list` names them.
    #[arg(required_unless_present = "plan", conflicts_with = "plan", requires = "seeds")]
    name: Option<String>,
    /// First and last seed, the last one exclusive.
    #[arg(long, value_name = "A..B", value_parser = super::seeds, conflicts_with = "plan")]
    seeds: Option<Range<u64>>,
    /// Nodes, instead of as many as the seed draws.
    #[arg(long, conflicts_with = "plan")]
    nodes: Option<usize>,
    /// A saved plan, instead of scenario and seeds.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// What runs the nodes: `core` is the state machine, `quic` the real driver, QUIC and TLS.
    #[arg(long, value_enum, default_value_t)]
    level: Level,
    #[command(flatten)]
    without: Without,
    /// The page.
    #[arg(long, value_name = "FILE.html")]
    out: PathBuf,
}

/// Runs everything, and writes the page. Returns whether all held.
pub(super) fn report(arguments: &Arguments) -> Result<bool, String> {
    let Arguments { name, seeds, nodes, plan, level, without, out } = arguments;
    let wrong = |error| format!("--out {}: the page cannot be written: {error}", out.display());
    let plans: Box<dyn Iterator<Item = Named>> = match (plan, name, seeds) {
        (Some(path), ..) => {
            let plan = read(path)?;
            let wrong = |why| format!("{}: {why}", path.display());
            level.takes(plan.options.nodes).map_err(wrong)?;
            Box::new([Named { plan, level: *level, again: again_file(path, *level) }].into_iter())
        }
        (None, Some(name), Some(seeds)) => {
            let scenario = scenario(name, *nodes, *level)?;
            Box::new(seeds.clone().map(move |seed| draw(&scenario, seed, *nodes)))
        }
        _ => return Err("a scenario and --seeds A..B are needed, or --plan FILE".to_owned()),
    };
    // Better now than after all runs.
    fs::OpenOptions::new().create(true).append(true).open(out).map_err(wrong)?;
    let mut outcomes = Vec::new();
    let mut shown: Option<((bool, Option<u64>), Named, Recording)> = None;
    for named in plans.map(|named| named.without(without)) {
        let record = || level.record(&named.plan, Trace::default());
        let recording = watching(&named, |_| {}, record);
        let outcome = recording.outcome.clone();
        if let Some(violation) = &outcome.violation {
            say!("{}", verdict::failure(&named.plan, violation));
        }
        // The first that broke, or else the slowest.
        let rank = (outcome.violation.is_some(), outcome.agreed_ms);
        let better = match &shown {
            Some((best, ..)) => !matches!(best, (true, _)) && rank > *best,
            None => true,
        };
        if better {
            shown = Some((rank, named, recording));
        }
        outcomes.push(outcome);
    }
    let Some((_, Named { plan, again, .. }, recording)) = shown else {
        return Err("there is no seed in that range".to_owned());
    };
    let (scenario, commit) = (plan.scenario.as_str(), verdict::commit());
    let page = Report {
        scenario,
        commit,
        outcomes: &outcomes,
        plan: &plan,
        recording: &recording,
        again: &again,
    };
    fs::write(out, page.html()).map_err(wrong)?;
    let broken = outcomes.iter().filter(|outcome| outcome.violation.is_some()).count();
    say!("{scenario}: {} seeds, {broken} failed; the page is {}", outcomes.len(), out.display());
    let Some(violation) = &recording.outcome.violation else {
        return Ok(true);
    };
    say!("{}", last(scenario, violation.invariant, plan.seed, &again));
    Ok(false)
}
