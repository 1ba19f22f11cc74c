//! Staying: nobody is taken for dead who lives, whatever packets are lost, nor for a silence that was
//! shorter than a suspicion lasts: a node finds itself declared down only after it was stopped or cut
//! off for longer, or has just started.

use chickadee::node::event::Notice;

use super::Violation;
use crate::plan::{Fault, Timed};
use crate::time::Time;
use crate::world::World;
use crate::world::level::Level;

/// What a fault did to the views of others is over after so long, in milliseconds.
const OVER_MS: u64 = 40_000;
/// Of short silences, one after the other, so long, in milliseconds.
const SOON_MS: u64 = 12_000;
/// Several add up to a long one from so much on, in milliseconds: each may have swallowed the word
/// that refutes the suspicion of the one before.
const SILENCES_MS: u64 = 1_500;
/// Nobody is declared down after a silence of less than that, in milliseconds.
const SUSPICION_MS: u64 = 3_000;

/// Complains if a node has found itself declared down, and should not have been.
pub fn judge(world: &World<impl Level>, node: usize, notice: &Notice) -> Option<Violation> {
    let Notice::Rejoined(generation) = notice else { return None };
    let from = Time(world.now.0.saturating_sub(Time::ms(OVER_MS).0));
    let starts = |fault: &Fault| match fault {
        Fault::Crash { node: of } | Fault::Stop { node: of } | Fault::Start { node: of, .. } => {
            *of == node
        }
        _ => false,
    };
    let recent = |fault: &&Timed<Fault>| (from..=world.now).contains(&fault.time());
    let mut faults = world.plan.faults.iter().filter(recent);
    let cuts = world.history.cuts.iter().map(|(since, until)| (*since, until.unwrap_or(world.now)));
    let stalls = world.history.stalls.iter().map(|stall| (stall.from, stall.to));
    let silences: Vec<(Time, u64)> =
        cuts.chain(stalls).map(|(since, until)| (until, until.ms_since(since))).collect();
    let within = |ms: u64| {
        silences.iter().filter(move |(until, _)| until.plus_ms(ms) >= world.now).map(|(_, ms)| ms)
    };
    let long = within(OVER_MS).any(|ms| *ms >= SUSPICION_MS);
    let many = within(SOON_MS).sum::<u64>() >= SILENCES_MS;
    if faults.any(|fault| starts(&fault.what)) || long || many {
        return None;
    }
    Some(Violation {
        invariant: "staying",
        at: world.now,
        key: None,
        node: Some(node),
        text: format!("was declared down, and lives on as {generation:?}"),
    })
}
