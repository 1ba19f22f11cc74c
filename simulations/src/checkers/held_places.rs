//! Held places: who died is on everybody's ring for most of a minute: a restart moves nothing.
//!
//! Judged where nobody is cut off or stopped, and one node at a time is away.

use chickadee::placement::Ring;

use super::Violation;
use crate::plan::Fault;
use crate::time::Time;
use crate::world::World;
use crate::world::level::{Inside, Level};

/// A place is held for longer than that, in milliseconds.
const HELD_MS: u64 = 55_000;
/// A node that has just started has heard of the others after so long, in milliseconds.
pub(super) const JOINED_MS: u64 = 10_000;

/// Complains about a ring that lacks somebody whose place is to be held.
pub fn judge(world: &World<impl Level>) -> Option<Violation> {
    let options = &world.plan.options;
    let formed = world.now >= Time::ms(options.formed_ms);
    if !formed || options.replicas < 2 || !is_simple(world) {
        return None;
    }
    let starts = |host: usize| world.hosts[host].process.is_some();
    let away: Vec<usize> = (0..options.nodes).filter(|host| !starts(*host)).collect();
    let [gone] = away[..] else { return None };
    let since = last(
        world,
        |fault| matches!(fault, Fault::Crash { node } | Fault::Stop { node } if *node == gone),
    );
    if since.is_none_or(|since| world.now.ms_since(since) > HELD_MS) {
        return None;
    }
    let id = world.hosts[gone].id;
    let lacks = |ring: &Ring| ring.seats().iter().all(|seat| seat.id != id);
    let host = (0..options.nodes).find(|host| {
        let started =
            last(world, |fault| matches!(fault, Fault::Start { node, .. } if node == host));
        let old = started.is_some_and(|at| world.now.ms_since(at) > JOINED_MS);
        old && world.process(*host).is_some_and(|process| lacks(process.inside.ring()))
    })?;
    Some(Violation {
        invariant: "held-places",
        at: world.now,
        key: None,
        node: Some(host),
        text: format!("has no place for node {gone}, which has just gone"),
    })
}

/// Whether all that happens is that nodes die, stop and start.
pub(super) fn is_simple(world: &World<impl Level>) -> bool {
    let simple = |fault: &Fault| {
        matches!(fault, Fault::Crash { .. } | Fault::Stop { .. } | Fault::Start { .. })
    };
    world.plan.options.joiners == 0
        && world.plan.is_calm()
        && world.plan.faults.iter().all(|fault| simple(&fault.what))
}

/// When such a fault happened last.
pub(super) fn last(world: &World<impl Level>, is: impl Fn(&Fault) -> bool) -> Option<Time> {
    let before = world.plan.faults.iter().filter(|fault| fault.time() <= world.now);
    before.filter(|fault| is(&fault.what)).map(|fault| fault.time()).max()
}
