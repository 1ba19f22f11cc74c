//! Staying: nobody is taken for dead who lives, whatever packets are lost: a node finds itself declared
//! down only after it was stopped, or cut off from somebody, or has just started.

use chickadee::node::event::Notice;

use super::Violation;
use crate::plan::Fault;
use crate::time::Time;
use crate::world::World;

/// What a fault did to the views of others is over after so long, in milliseconds.
const OVER_MS: u64 = 40_000;

/// Complains if a node has found itself declared down, and should not have been.
pub fn judge(world: &World, node: usize, notice: &Notice) -> Option<Violation> {
    let Notice::Rejoined(generation) = notice else { return None };
    let from = Time(world.now.0.saturating_sub(Time::ms(OVER_MS).0));
    let excuses = |fault: &Fault| match fault {
        Fault::Crash { node: other } | Fault::Stop { node: other } => *other == node,
        Fault::Start { node: other, .. } => *other == node,
        Fault::Leave { .. } | Fault::Stall { .. } | Fault::Resume { .. } => true,
        Fault::Cut { .. } | Fault::Mend { .. } | Fault::Partition { .. } | Fault::Unite => true,
        Fault::Throttle { .. } => true,
        Fault::Weather { .. } | Fault::Slow { .. } | Fault::Clock { .. } => false,
    };
    let excused = |fault: &crate::plan::Timed<Fault>| {
        (from..=world.now).contains(&fault.time()) && excuses(&fault.what)
    };
    if world.plan.faults.iter().any(excused) {
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
