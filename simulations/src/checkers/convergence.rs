//! Convergence: some time after the last fault all nodes agree. They see the same members, all that
//! run and no others; they have the same ring; they know of the same flushes; every partition is
//! ready at its owners and held by nobody else; whoever holds a key holds the same version of it; and
//! all owners hold it, but for those that refused it because they had just forgotten something later
//! (clock-skew seed 375). Then it is quiet: exchanges move no values.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use chickadee::node::event::{Command, Reply, StatusValue};
use chickadee::placement::{NodeId, Partition};
use chickadee::store::sessions::Session;
use chickadee::store::{Mono, Role, Version};

use super::copies::Copies;
use super::membership;
use crate::world::World;
use crate::world::level::{Inside, Level};

/// Why the nodes do not agree, if they do not.
pub fn disagreement(world: &mut World<impl Level>) -> Option<String> {
    if let Some(error) = membership::error(world) {
        return Some(error);
    }
    // Where nobody can say who is a member, rings and roles may go on changing.
    let strict = membership::doubtful(world).is_empty();
    let live = membership::live(world);
    let mut rings = BTreeMap::new();
    let mut flushes = None;
    let mut held: BTreeMap<String, (usize, Version)> = BTreeMap::new();
    let mut copies = Copies::default();
    let mut evicted = false;
    for host in &live {
        let process = world.process(*host)?;
        rings.insert(process.inside.ring().id(), *host);
        if strict && rings.len() > 1 {
            return Some(format!("rings differ: {rings:?}"));
        }
        let known = process.store.flushes();
        if flushes.get_or_insert_with(|| (*host, known.clone())).1 != known {
            return Some(format!("node {host} knows of other flushes than the rest"));
        }
        for partition in process.store.options().partitions.iter() {
            let ring = process.inside.ring();
            let owner = ring.is_owner(world.hosts[*host].id, partition);
            let role = world.role(*host, partition);
            let wanted = if owner { Role::Ready } else { Role::None };
            // While the place of an owner that is gone is held, nobody drops what that one may lack.
            let away = |owner: &NodeId| !live.contains(&world.index(*owner));
            let waits = role == Role::Old && !owner && ring.owners(partition).iter().any(away);
            if strict && role != wanted && !waits {
                let is = format!("{role:?}, not {wanted:?}");
                let owners: Vec<usize> =
                    ring.owners(partition).iter().map(|owner| world.index(*owner)).collect();
                let sessions = sessions(world, *host, partition, |_| true);
                return Some(format!(
                    "node {host} is {is} for partition {} of {owners:?}; its sessions: {}",
                    partition.0,
                    sessions.join("; ")
                ));
            }
            let waits = |session: &Session| {
                let peer = world.index(session.peer);
                let knows = || session.role == world.role(peer, partition);
                live.contains(&peer) && !(session.is_in_step() && knows())
            };
            let waiting = sessions(world, *host, partition, waits);
            if strict && !waiting.is_empty() {
                let waiting = waiting.join("; ");
                let partition = partition.0;
                return Some(format!(
                    "node {host} is not in step for partition {partition}: {waiting}"
                ));
            }
        }
        evicted |= process.store.counters().evicted.load(Ordering::Relaxed) > 0;
        let mut apart = None;
        world.each_held(*host, |key, parts| {
            let version = parts.version;
            // Where a value has ended and was forgotten, it is not taken back because its end was put
            // off elsewhere.
            let put_off = version.deadline != version.value;
            if parts.value.is_some() && parts.deadline_ms.is_none() && !put_off {
                copies.hold(*host, key);
            }
            match held.get(key) {
                Some((other, same)) if *same != version => {
                    apart = Some(format!(
                        "nodes {other} and {host} hold {key} at {} {} and {} {}",
                        same.value, same.deadline, version.value, version.deadline
                    ));
                }
                Some(_) => {}
                None => {
                    held.insert(key.to_owned(), (*host, version));
                }
            }
        });
        if apart.is_some() {
            return apart;
        }
        if strict && !matches!(world.ask(*host, Command::Ready), Some(Reply::Ready(true))) {
            return Some(format!("node {host} says that it is not ready"));
        }
    }
    if !strict || evicted {
        return None;
    }
    let process = world.process(*live.first()?)?;
    copies.missing(|key| {
        let partition = process.store.partition_of(key.as_bytes());
        let owners = process.inside.ring().owners(partition).iter();
        let newest = held.get(key).map(|(_, version)| version.value).unwrap_or_default();
        let apart = || world.history.written_apart(key, newest);
        let refused = |owner| world.history.refused.contains(&(owner, key.to_owned()));
        let forgot =
            |owner: &usize| world.covered(*owner, key) >= newest && (apart() || refused(*owner));
        let holds = |owner: &usize| matches!(world.held(*owner, key), Some((_, Some(_))));
        // A place may be held for an owner that is gone.
        let owners = owners.map(|owner| world.index(*owner)).filter(|owner| live.contains(owner));
        owners.filter(|owner| holds(owner) || !forgot(owner)).collect()
    })
}

/// The sessions of a host's partition that `which` names, for a human.
fn sessions(
    world: &World<impl Level>,
    host: usize,
    partition: Partition,
    which: impl Fn(&Session) -> bool,
) -> Vec<String> {
    let Some(process) = world.process(host) else {
        return Vec::new();
    };
    process.store.see(partition, &process.clock, Mono(0), |kept, _| {
        let sessions = kept.sessions().iter().map(|(_, session)| session).filter(|s| which(s));
        let shown = sessions.map(|session| {
            let Session { role, valid, trusted, done, scan, answered, asked, .. } = session;
            let peer = world.index(session.peer);
            let lacks: Vec<usize> = session.lacks.iter().map(|(p, _)| world.index(*p)).collect();
            format!(
                "with {peer} ({role:?}): valid {valid}, trusted {trusted}, done {done}, lacks \
                 {lacks:?}, {scan:?}, answered {answered} of {asked}"
            )
        });
        shown.collect()
    })
}

/// The rings of all nodes.
pub fn rings(world: &World<impl Level>) -> Vec<u64> {
    let live = membership::live(world);
    live.iter().filter_map(|host| Some(world.process(*host)?.inside.ring().id())).collect()
}

/// Counters that stand still in a quiet cluster, by node.
pub fn activity(world: &mut World<impl Level>) -> BTreeMap<(usize, &'static str), u64> {
    let mut counters = BTreeMap::new();
    for host in membership::live(world) {
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
