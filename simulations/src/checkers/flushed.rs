//! Flushed: when a flush is answered, every member that could be reached all the while knows of it.
//! Not judged where packets are lost or late, so that a member may be taken for hung.

use super::Violation;
use crate::world::World;
use crate::world::level::Level;

/// Complains about a flush that is about to be answered though somebody within reach has not heard of
/// it.
pub fn judge(world: &World<impl Level>, record: usize) -> Option<Violation> {
    let record = &world.history.records[record];
    if !world.plan.is_calm() {
        return None;
    }
    let (flushed, reach) = (record.flushed?, record.reach.as_ref()?);
    let members = &world.process(record.host)?.members;
    let hears = |host: &usize| {
        let process = world.process(*host);
        let runs = process.is_some_and(|p| p.open && p.stalled.is_none() && !p.stopping);
        let met = world.has_met_all(*host) && world.has_met_all(record.host);
        runs && met && members.contains(host) && reach.contains(*host)
    };
    let knows = |host: &usize| world.knows_flushed(*host, &record.key) >= flushed;
    let deaf = (0..world.hosts.len()).filter(hears).find(|host| !knows(host))?;
    Some(Violation {
        invariant: "flushed",
        at: world.now,
        key: Some(record.key.clone()),
        node: Some(record.host),
        text: format!("a flush up to {flushed} is answered, and node {deaf} does not know of it"),
    })
}
