//! A node in its duty of holding entries: answers what peers ask of its store, one request at a
//! time, each in one step under the partition's lock.

use super::explanation::Holding;
use super::message::{Request, Response};
use super::turn::Turn;
use crate::placement::NodeId;
use crate::store::{
    Context, Held, KeyRef, Merged, Partition as Kept, Parts, Role, Stamp, Version, key_ref,
};

/// Answers a request about this node's own store; `None` for what is not a replica's business.
pub fn answer(
    from: NodeId,
    request: &Request,
    turn: &mut Turn<'_>,
    stats: &mut ReplicaStats,
) -> Option<Response> {
    Some(match request {
        Request::Write { key, entry } => {
            let parts = Parts::of(entry);
            let now = turn.now.mono;
            if !turn.clock.believes(parts.version.value.hlc, now)
                || !turn.clock.believes(parts.version.deadline.hlc, now)
            {
                // Adopting it would let one bad clock decide everything from now on.
                stats.refused_ahead += 1;
                turn.outbox.ahead.push(from);
                return Some(Response::Busy);
            }
            let partition = turn.partition_of(key_ref(key));
            turn.with(partition, |kept, context| {
                if kept.role() == Role::None {
                    return Response::NotOwner;
                }
                let key = key_ref(key);
                let existed = matches!(kept.look(key, context), Held::Value(_));
                let epoch = kept.sessions().epoch();
                match kept.merge(key, parts, context) {
                    Merged::Taken { .. } => Response::Ack { existed, epoch },
                    Merged::Covered => match newer(kept, key, parts.version, context) {
                        Some(stamp) => Response::Newer { stamp, epoch },
                        None => Response::Ack { existed: false, epoch },
                    },
                    Merged::Below(floor) => {
                        stats.refused_below += 1;
                        kept.note_ghost(key);
                        Response::Below(floor)
                    }
                }
            })
        }
        Request::Read { key, min } => {
            let partition = turn.partition_of(key_ref(key));
            let late = turn.store.is_late();
            turn.with(partition, |kept, context| {
                let key = key_ref(key);
                match kept.role() {
                    Role::None => return Response::NotOwner,
                    // Who owns it no more is not told of new writes.
                    _ if kept.serves() && !late => {}
                    Role::Boot | Role::Ready | Role::Old => {
                        return unready(kept, key, *min, context);
                    }
                }
                if !kept.covers(key, *min, context) {
                    return Response::NotYet;
                }
                let floor = kept.floor(key, context);
                let synced = kept.sessions().synced();
                let doubt = kept.doubts(key, context.now);
                let flushed = Version::of(context.flushes.of(key.namespace));
                match kept.read(key, context) {
                    Held::Value(parts) => Response::Hit(parts.to_entry()),
                    Held::Dead(bar) => {
                        let bar = bar.max(flushed);
                        Response::Miss { bar, floor, synced, doubt: true }
                    }
                    Held::Nothing => Response::Miss { bar: flushed, floor, synced, doubt },
                }
            })
        }
        Request::Flush(flushes) => {
            turn.store.flush(flushes);
            Response::Flushed
        }
        Request::Count { namespace } => Response::Counted(count(turn, *namespace)),
        Request::Explain { key } => {
            let partition = turn.partition_of(key_ref(key));
            let holding = turn.see(partition, |kept, c| Holding::of(key_ref(key), kept, c));
            Response::Explained(Box::new(holding))
        }
        Request::Decide { .. } => return None,
    })
}

/// Up to where what is held of a key is later than that version: another value, or its removal; or
/// what was forgotten may have been. Where the one has forgotten it, another may still hold it, and
/// a removal below it would be acknowledged and remove nothing (swarm seed 157).
fn newer(kept: &Kept, key: KeyRef<'_>, version: Version, context: &Context<'_>) -> Option<Stamp> {
    let held = match kept.look(key, context) {
        Held::Value(parts) => parts.version,
        Held::Dead(version) => version,
        Held::Nothing => {
            let floor = kept.floor(key, context);
            return (floor > version.value).then_some(floor);
        }
    };
    (held.value > version.value).then(|| held.latest())
}

/// What a holder that may not answer for a key says of it: only what the reader is known to have
/// written, or that it is dead since.
fn unready(kept: &Kept, key: KeyRef<'_>, min: Version, context: &Context<'_>) -> Response {
    let bar = match kept.look(key, context) {
        _ if min == Version::ZERO || !kept.covers(key, min, context) => return Response::NotReady,
        Held::Value(parts) => return Response::Unready(parts.to_entry()),
        Held::Dead(version) => version,
        Held::Nothing => Version::ZERO,
    };
    let bar = bar.max(Version::of(context.flushes.of(key.namespace)));
    let (floor, synced) = (kept.floor(key, context), kept.sessions().synced());
    Response::Miss { bar, floor, synced, doubt: true }
}

/// Keys of a namespace in the partitions this node is first ready owner of, in its own view.
pub fn count(turn: &Turn<'_>, namespace: crate::store::Namespace) -> u64 {
    let there = |owner: &&NodeId| **owner == turn.own || turn.members.contains(*owner);
    let first = |p: &crate::placement::Partition| {
        turn.ring.owners(*p).iter().find(there) == Some(&turn.own)
    };
    let partitions = turn.store.options().partitions.iter();
    let values = |p| turn.see(p, |kept, _| kept.values(Some(namespace)));
    partitions.filter(first).map(values).sum()
}

/// What a replica refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplicaStats {
    /// Stamps too far ahead of this node's clock.
    pub refused_ahead: u64,
    /// Values at or below a floor.
    pub refused_below: u64,
}
