//! Convergence: some time after the last fault all nodes agree. They see the same members, all that
//! run and no others; they have the same ring; every partition is ready at its owners and held by
//! nobody else; and whoever holds a key holds the same version of it. Then it is quiet: exchanges
//! move no values.

use std::collections::{BTreeMap, BTreeSet};

use chickadee::node::event::{Command, MemberState, Reply, StatusValue};
use chickadee::store::{Role, Version};

use crate::world::World;

/// Why the nodes do not agree, if they do not.
pub fn disagreement(world: &mut World) -> Option<String> {
    let live: Vec<usize> = (0..world.hosts.len()).filter(|h| world.runs(*h)).collect();
    let ids: BTreeSet<_> = live.iter().map(|h| world.hosts[*h].id).collect();
    let mut rings = BTreeMap::new();
    for host in &live {
        let Some(Reply::Members(views)) = world.ask(*host, Command::Members) else {
            return Some(format!("node {host} does not answer"));
        };
        let seen: BTreeSet<_> = views
            .iter()
            .filter(|view| view.state == MemberState::Alive)
            .map(|view| view.id)
            .collect();
        if seen != ids {
            let missing = ids.difference(&seen).map(|id| world.index(*id));
            let missing: Vec<_> = missing.collect();
            let extra: Vec<_> = seen.difference(&ids).map(|id| world.index(*id)).collect();
            return Some(format!("node {host} does not see {missing:?} alive, and sees {extra:?}"));
        }
        let ring = world.process(*host)?.node.ring().id();
        rings.insert(ring, *host);
        if rings.len() > 1 {
            return Some(format!("rings differ: {rings:?}"));
        }
    }
    let mut held: BTreeMap<String, (usize, Version)> = BTreeMap::new();
    for host in &live {
        let process = world.process(*host)?;
        for partition in process.store.options().partitions.iter() {
            let owner = process.node.ring().is_owner(world.hosts[*host].id, partition);
            let role = world.role(*host, partition);
            let wanted = if owner { Role::Ready } else { Role::None };
            if role != wanted {
                let is = format!("{role:?}, not {wanted:?}");
                return Some(format!("node {host} is {is} for partition {}", partition.0));
            }
        }
        let mut apart = None;
        world.each_held(*host, |key, version| match held.get(key) {
            Some((other, same)) if *same != version => {
                apart = Some(format!(
                    "nodes {other} and {host} hold {key} at {} and {}",
                    same.value, version.value
                ));
            }
            Some(_) => {}
            None => {
                held.insert(key.to_owned(), (*host, version));
            }
        });
        if apart.is_some() {
            return apart;
        }
        if !matches!(world.ask(*host, Command::Ready), Some(Reply::Ready(true))) {
            return Some(format!("node {host} says that it is not ready"));
        }
    }
    None
}

/// Counters that stand still in a quiet cluster, by node.
pub fn activity(world: &mut World) -> BTreeMap<(usize, &'static str), u64> {
    let mut counters = BTreeMap::new();
    for host in 0..world.hosts.len() {
        if !world.runs(host) {
            continue;
        }
        let Some(Reply::Status(status)) = world.ask(host, Command::Status) else {
            continue;
        };
        for (name, value) in status {
            let counted = ["boots", "values_wanted", "values_repaired", "values_condemned"];
            if let (true, StatusValue::Number(value)) = (counted.contains(&name), value) {
                counters.insert((host, name), value);
            }
        }
    }
    counters
}
