//! Covered: a bit that is set tells the truth. Where a node has it that a peer covers an entry, and
//! both are still in the session in which it learnt that, the peer holds that version or a later one,
//! or no value and a floor as high. Otherwise what the peer was never told of may be forgotten.

use chickadee::placement::Partition;
use chickadee::store::{self, Context, KeyRef, Role};

use super::Violation;
use crate::world::World;
use crate::world::level::Level;

/// Complains about the first bit that lies.
pub fn judge(world: &World<impl Level>) -> Option<Violation> {
    let partitions = world.plan.options.partitions;
    (0..world.hosts.len()).find_map(|host| {
        (0..partitions).find_map(|partition| lie(world, host, Partition(partition)))
    })
}

fn lie(world: &World<impl Level>, host: usize, partition: Partition) -> Option<Violation> {
    let own = world.hosts[host].id;
    let look = |of: usize, seen: &mut dyn FnMut(&store::Partition, &Context<'_>)| {
        if let Some(process) = world.process(of) {
            process.store.with(partition, &process.clock, process.last_turn, |kept, context| {
                seen(kept, context);
            });
        }
    };
    let mut said = Vec::new();
    look(host, &mut |kept, _| {
        for (bit, session) in kept.sessions().iter() {
            let mut keys = Vec::new();
            kept.each_covered(bit, |key, version| {
                keys.push((key.namespace, key.bytes.to_vec(), version));
            });
            said.push((session.peer, (session.theirs, session.mine), keys));
        }
    });
    said.into_iter().find_map(|(peer, numbers, keys)| {
        let peer = world.index(peer);
        let mut lie = None;
        look(peer, &mut |kept, context| {
            let theirs = kept.sessions().with(own);
            let same = theirs.is_some_and(|session| (session.mine, session.theirs) == numbers);
            if !same || kept.role() == Role::None {
                return;
            }
            lie = keys.iter().find_map(|(namespace, bytes, version)| {
                let key = KeyRef { namespace: *namespace, bytes };
                let covers = kept.covers(key, *version, context);
                (!covers).then(|| (String::from_utf8_lossy(bytes).into_owned(), version.value))
            });
        });
        let (key, stamp) = lie?;
        let text = format!("believes that node {peer} covers {stamp}, and it does not");
        Some(Violation {
            invariant: "covered",
            at: world.now,
            key: Some(key),
            node: Some(host),
            text,
        })
    })
}
