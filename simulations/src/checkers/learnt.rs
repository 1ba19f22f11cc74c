//! Learnt: that a node has died, everybody knows after as long as a suspicion lasts and word takes to
//! go round.
//!
//! Judged where all that happens is that nodes die, stop and start.

use super::Violation;
use super::held_places::{JOINED_MS, is_simple, last};
use crate::plan::Fault;
use crate::time::Time;
use crate::world::World;
use crate::world::level::Level;

/// Until the first suspects it, and until the last has heard, in milliseconds.
const NOTICED_MS: u64 = 10_000;
/// How long a suspicion lasts for every tenfold number of nodes, in milliseconds.
const SUSPECTED_MS: f64 = 4_000.0;

/// Complains about a node that takes another for a member which died long ago.
pub fn judge(world: &World<impl Level>) -> Option<Violation> {
    let options = &world.plan.options;
    if world.now < Time::ms(options.formed_ms) || !is_simple(world) {
        return None;
    }
    let most_ms = within_ms(options.nodes);
    let dead = (0..options.nodes).filter(|host| world.hosts[*host].process.is_none());
    let long_dead = dead.filter(|host| {
        let died = |fault: &Fault| matches!(fault, Fault::Crash { node } if node == host);
        last(world, died).is_some_and(|at| world.now.ms_since(at) > most_ms)
    });
    long_dead.into_iter().find_map(|dead| {
        let deceived = (0..options.nodes).find(|host| {
            let starts = |fault: &Fault| matches!(fault, Fault::Start { node, .. } if node == host);
            let old = || last(world, starts).is_some_and(|at| world.now.ms_since(at) > JOINED_MS);
            let believes = || world.process(*host).is_some_and(|p| p.members.contains(&dead));
            believes() && old()
        })?;
        Some(Violation {
            invariant: "learnt",
            at: world.now,
            key: None,
            node: Some(deceived),
            text: format!("takes node {dead} for a member, {most_ms} ms after it died"),
        })
    })
}

/// In a cluster of so many nodes everybody has learnt it after so long, in milliseconds.
fn within_ms(nodes: usize) -> u64 {
    NOTICED_MS + (SUSPECTED_MS * (nodes as f64 + 1.0).log10()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_longer_where_there_are_more() {
        assert_eq!([9, 999].map(within_ms), [14_000, 22_000]);
    }
}
