//! Membership is the truth: some time after the last fault every node sees exactly those alive that
//! run, within its own bound, shorter than that of convergence.
//!
//! With a core, it is demanded of its nodes, and about them: a node outside that still sends or hears
//! something may be seen or not.

use std::collections::BTreeSet;

use chickadee::node::event::{Command, MemberState, Reply};

use crate::world::World;
use crate::world::level::Level;

/// The nodes of the core that run.
pub fn live(world: &World<impl Level>) -> Vec<usize> {
    let hosts = 0..world.hosts.len();
    hosts.filter(|host| world.plan.in_core(*host) && world.runs(*host)).collect()
}

/// Nodes outside of the core that run and are not cut off from it altogether: nobody can say
/// whether they are members.
pub fn doubtful(world: &World<impl Level>) -> BTreeSet<usize> {
    let live = live(world);
    let passes = |a, b| world.network.passes(a, b) || world.network.passes(b, a);
    (0..world.hosts.len())
        .filter(|host| !world.plan.in_core(*host) && world.runs(*host))
        .filter(|host| live.iter().any(|other| passes(*host, *other)))
        .collect()
}

/// Who sees what is not so, if somebody does.
pub fn error(world: &mut World<impl Level>) -> Option<String> {
    let live = live(world);
    let doubtful = doubtful(world);
    for host in &live {
        let Some(Reply::Members(views)) = world.ask(*host, Command::Members) else {
            return Some(format!("node {host} does not answer"));
        };
        let alive = views.iter().filter(|view| view.state == MemberState::Alive);
        let seen: BTreeSet<usize> = alive.map(|view| world.index(view.id)).collect();
        if let Some(wrong) = wrong(&live, &doubtful, &seen) {
            return Some(format!("node {host} {wrong}"));
        }
    }
    None
}

/// What is wrong with the members that a node sees; who lives is in order.
fn wrong(live: &[usize], doubtful: &BTreeSet<usize>, seen: &BTreeSet<usize>) -> Option<String> {
    let missing: Vec<_> = live.iter().filter(|host| !seen.contains(host)).collect();
    let lives = |host: &usize| live.binary_search(host).is_ok();
    let extra = seen.iter().filter(|host| !lives(host) && !doubtful.contains(host));
    let extra: Vec<_> = extra.collect();
    let right = missing.is_empty() && extra.is_empty();
    (!right).then(|| format!("does not see {missing:?} alive, and sees {extra:?}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_member_too_many_and_one_too_few_are_noticed() {
        let wrong =
            |seen: &[usize]| super::wrong(&[0, 1], &[5].into(), &seen.iter().copied().collect());
        assert_eq!(wrong(&[0, 1]), None);
        assert_eq!(wrong(&[0, 1, 5]), None, "nobody can say");
        assert!(wrong(&[0]).is_some());
        assert!(wrong(&[0, 1, 2]).is_some());
    }
}
