//! Covered: what a node believes of a peer is true. Where it takes the peer for valid, that one has
//! adopted its floors under the number that the session has now. And where it has it that the peer
//! covers an entry, and both are still in the session in which it learnt that, the peer holds that
//! version or a later one, or no value and a floor as high. Otherwise what the peer was never told of
//! may be forgotten.

use chickadee::placement::{NodeId, Partition};
use chickadee::store::{self, Context, Key, KeyRef, Role, Version, key_ref};

use super::Violation;
use crate::world::World;
use crate::world::level::Level;

/// What a node believes of a peer.
struct Belief {
    peer: NodeId,
    /// The numbers of their session, the peer's first.
    numbers: (u64, u64),
    /// The peer has adopted its floors.
    trusted: bool,
    /// The peer covers these.
    covered: Vec<(Key, Version)>,
}

/// Complains about the first belief that is wrong.
pub fn judge(world: &World<impl Level>) -> Option<Violation> {
    let partitions = || (0..world.plan.options.partitions).map(Partition);
    let all = (0..world.hosts.len()).flat_map(|host| partitions().map(move |p| (host, p)));
    all.into_iter().find_map(|(host, partition)| {
        let beliefs = look(world, host, partition, beliefs)?;
        beliefs.iter().find_map(|belief| doubt(world, host, partition, belief))
    })
}

/// Looks at a partition of a host, if a process runs there.
fn look<R>(
    world: &World<impl Level>,
    host: usize,
    partition: Partition,
    seen: impl FnOnce(&store::Partition, &Context<'_>) -> R,
) -> Option<R> {
    let process = world.process(host)?;
    let (clock, now) = (&process.clock, process.last_turn);
    Some(process.store.see(partition, clock, now, |kept, context| seen(kept, context)))
}

fn beliefs(kept: &store::Partition, _: &Context<'_>) -> Vec<Belief> {
    let sessions = kept.sessions().iter();
    let each = sessions.map(|(bit, session)| {
        let mut covered = Vec::new();
        kept.each_covered(bit, |KeyRef { namespace, bytes }, version| {
            let bytes = bytes::Bytes::copy_from_slice(bytes);
            covered.push((Key { namespace, bytes }, version));
        });
        let numbers = (session.theirs, session.mine);
        Belief { peer: session.peer, numbers, trusted: session.is_trusted(), covered }
    });
    each.collect()
}

/// Compares what a host believes with what is the case.
fn doubt(
    world: &World<impl Level>,
    host: usize,
    partition: Partition,
    belief: &Belief,
) -> Option<Violation> {
    let own = world.hosts[host].id;
    let peer = world.index(belief.peer);
    let (key, text) = look(world, peer, partition, |kept, context| {
        let session = kept.sessions().with(own).filter(|s| s.mine == belief.numbers.0)?;
        let same = session.theirs == belief.numbers.1;
        if belief.trusted && !(same && session.valid) {
            return Some((None, format!("takes node {peer} for valid, which it is not")));
        }
        let holds = same && kept.role() != Role::None;
        // What a flush has killed may not be swept yet, and is told to nobody.
        let covers = |(key, version): &&(Key, Version)| {
            let flushed = context.flushes.of(key.namespace);
            version.value <= flushed || kept.covers(key_ref(key), *version, context)
        };
        let (key, version) = belief.covered.iter().find(|entry| holds && !covers(entry))?;
        let key = String::from_utf8_lossy(&key.bytes).into_owned();
        let text = format!("has it that node {peer} covers {}, which it does not", version.value);
        Some((Some(key), text))
    })??;
    Some(Violation { invariant: "covered", at: world.now, key, node: Some(host), text })
}
