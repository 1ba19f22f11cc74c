//! `shrink`: the smallest plan that breaks the same invariant.

use std::time::Instant;

use simulations::episodes::episodes;
use simulations::plan::Plan;
use simulations::shrink::Shrinking;
use simulations::trace::Trace;

use super::saved::Folder;
use super::source::{Named, Source, again_file};
use super::watched::{last, watched};
use super::{Out, verdict};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Runs at most.
    #[arg(long, value_name = "N", default_value_t = 500)]
    runs: usize,
    #[command(flatten)]
    out: Out,
}

/// Shrinks a plan. Returns whether there was nothing to shrink, because all held.
pub(super) fn shrink(arguments: &Arguments) -> Result<bool, String> {
    let named = arguments.source.plan()?;
    let folder = Folder::open(&arguments.out.folder)?;
    let (scenario, seed) = (named.plan.scenario.clone(), named.plan.seed);
    let begun = Instant::now();
    let first = watched(&named, Trace::default(), |_| {});
    let Some(violation) = first.violation else {
        say!("{scenario} seed={seed} breaks nothing: there is nothing to shrink");
        return Ok(true);
    };
    say!("{}", verdict::failure(&named.plan, &violation));
    say!("{:<12} {}", "at first", size(&named.plan));
    let mut breaks = |plan: &Plan| {
        let named = Named { plan: plan.clone(), again: named.again.clone(), level: named.level };
        let violation = watched(&named, Trace::default(), |_| {}).violation?;
        Some(violation.invariant.to_owned())
    };
    let mut told = |what: &str, plan: &Plan| say!("cut {what:<8} {}", size(plan));
    let mut search = Shrinking {
        plan: named.plan.clone(),
        breaks: &mut breaks,
        told: &mut told,
        invariant: violation.invariant.to_owned(),
        runs: arguments.runs,
    };
    search.shrink();
    let (plan, left) = (search.plan, search.runs);
    let runs = arguments.runs - left;
    let ended = if left == 0 { "no runs are left" } else { "nothing more can be cut" };
    say!("{runs} runs in {:.1} s; {ended}", begun.elapsed().as_secs_f64());
    let path = folder.save(&plan, "-shrunk")?;
    let named = Named { again: again_file(&path, named.level), plan, level: named.level };
    if let Some(violation) = watched(&named, Trace::default(), |_| {}).violation {
        say!("{}", verdict::failure(&named.plan, &violation));
    }
    let again = named.again;
    say!("{}", last(&scenario, violation.invariant, seed, &again));
    Ok(false)
}

/// How large a plan is.
fn size(plan: &Plan) -> String {
    format!(
        "{:>3} nodes, {:>4} faults, {:>6} operations, {:>7.2} s",
        plan.nodes(),
        episodes(&plan.faults).len(),
        plan.operations.len(),
        plan.options.healed_ms as f64 / 1_000.0,
    )
}
