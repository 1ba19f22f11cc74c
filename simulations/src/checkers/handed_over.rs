//! Handed over: a node that leaves for good keeps nothing that others have not taken, where nothing
//! else happens than that nodes leave: what goes with it is lost, and nobody excuses that. Unless
//! nobody is left to take it.

use super::Violation;
use crate::plan::{Fault, Plan, Timed};
use crate::time::Time;
use crate::world::World;
use crate::world::level::Level;

/// Complains about a node that has left with entries that it still holds, whatever it says (`said`
/// partitions that nobody had taken).
pub fn judge(world: &World<impl Level>, node: usize, said: usize) -> Option<Violation> {
    let takes = |other: &usize| {
        let weights = &world.plan.options.weights;
        *other != node
            && world.runs(*other)
            && !world.hosts[*other].left
            && weights[other % weights.len()] > 0
    };
    let holds = {
        let mut partitions = std::collections::BTreeSet::new();
        let process = world.process(node)?;
        world.each_held(node, |key, _| {
            partitions.insert(process.store.partition_of(key.as_bytes()));
        });
        partitions.len()
    };
    let alone = !(0..world.hosts.len()).any(|other| takes(&other));
    if alone { None } else { verdict(&world.plan, world.now, node, holds.max(said)) }
}

fn verdict(plan: &Plan, at: Time, node: usize, kept: usize) -> Option<Violation> {
    let quiet =
        |fault: &Timed<Fault>| matches!(fault.what, Fault::Start { .. } | Fault::Leave { .. });
    // Where replies come late, what was offered is offered again, and the time may not suffice.
    let calm = plan.is_calm() && plan.options.late_ppm == 0;
    if kept == 0 || !calm || !plan.faults.iter().all(quiet) {
        return None;
    }
    Some(Violation {
        invariant: "handed-over",
        at,
        key: None,
        node: Some(node),
        text: format!("left, and kept {kept} partitions that nobody had taken yet"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::{kill, leaving};

    #[test]
    fn who_leaves_with_what_nobody_has_is_noticed() {
        let plan = leaving::LEAVING.plan(1, None);
        assert_eq!(verdict(&plan, Time(0), 1, 0), None);
        assert!(verdict(&plan, Time(0), 1, 1).is_some());
        let killed = kill::KILL.plan(1, None);
        assert_eq!(verdict(&killed, Time(0), 1, 1), None, "others died");
    }
}
