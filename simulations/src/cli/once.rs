//! `replay`: one plan, with everything that happens.

use simulations::trace::Trace;

use super::source::Source;
use super::verdict;
use super::watched::{last, watched};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Prints every frame, too.
    #[arg(long)]
    frames: bool,
    /// Prints the plan as JSON instead of running it.
    #[arg(long)]
    print_plan: bool,
}

/// Runs one plan. Returns whether all held.
pub(super) fn replay(arguments: &Arguments) -> Result<bool, String> {
    let named = arguments.source.plan()?;
    let plan = &named.plan;
    if arguments.print_plan {
        let json = serde_json::to_string_pretty(plan).map_err(|error| error.to_string())?;
        say!("{json}");
        return Ok(true);
    }
    say!("{:?}", plan.options);
    let outcome = watched(&named, Trace::printing(arguments.frames), |_| {});
    say!("trace {:016x}", outcome.hash);
    let Some(violation) = &outcome.violation else {
        return Ok(true);
    };
    say!("{}", verdict::failure(plan, violation));
    say!("{}", last(&plan.scenario, violation.invariant, plan.seed, &named.again));
    Ok(false)
}
