//! Says ready: a node that says it is ready has everything that it owns, in its own view.

use chickadee::node::event::{Command, Reply};
use chickadee::placement::Partition;
use chickadee::store::Role;

use super::Violation;
use crate::world::World;
use crate::world::level::{Inside, Level};

/// Complains about a node that says it is ready, and is not.
pub fn judge(world: &mut World<impl Level>) -> Option<Violation> {
    let hosts: Vec<usize> = (0..world.hosts.len()).filter(|host| world.runs(*host)).collect();
    hosts.into_iter().find_map(|host| {
        lacks(world, host)?;
        let says = matches!(world.ask(host, Command::Ready), Some(Reply::Ready(true)));
        // It may have become so while it was asked.
        says.then(|| told(world, host)).flatten()
    })
}

/// Complains if a node that has just said that it is ready is not.
pub fn told(world: &World<impl Level>, host: usize) -> Option<Violation> {
    let text = format!("says that it is ready, and boots partition {}", lacks(world, host)?.0);
    let (at, node) = (world.now, Some(host));
    Some(Violation { invariant: "says-ready", at, key: None, node, text })
}

/// A partition that a node owns, and is not ready for.
fn lacks(world: &World<impl Level>, host: usize) -> Option<Partition> {
    let process = world.process(host)?;
    let (ring, own) = (process.inside.ring(), world.hosts[host].id);
    let is_short = |partition: &Partition| {
        ring.is_owner(own, *partition) && world.role(host, *partition) != Role::Ready
    };
    process.store.options().partitions.iter().find(is_short)
}
