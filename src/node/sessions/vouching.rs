//! Asking a third before something is dropped. A peer that this node has yet to become valid at
//! cannot tell what it has outlived from what it has only evicted, and says so: it names those who
//! cover all that it has forgotten. If one of them, asked *after that*, holds the very version, the
//! peer has not forgotten a later one, and cannot forget one from then on without this node: a
//! session is open, whose bit it waits for. So what was confirmed is offered once more, under the
//! same numbers, and acknowledged. Without this a restart of all nodes, one after the other, left of
//! full caches what all of them had happened to keep.

use std::collections::VecDeque;

use super::Sessions;
use super::talk::{HEADERS_MAX, STUCK_MS};
use crate::node::message::{Doubt, Exchange};
use crate::node::turn::Turn;
use crate::placement::{Life, NodeId, Partition};
use crate::store::partition::exchange::Header;
use crate::store::{Key, Mono, Role, Version, key_ref};

/// Who does not answer is asked again so often; after that what was in doubt is dropped.
const TRIES_MAX: u8 = 3;

/// What a peer is in doubt about.
#[derive(Debug, Default)]
pub(super) struct Doubted {
    asked: Option<Asked>,
    /// What was confirmed, and is to be offered once more.
    confirmed: VecDeque<(Key, Version)>,
    /// The peer's number, and how often it had adopted others' floors, when it said so.
    said: (u64, u32),
    /// How often in a row nobody has answered.
    unanswered: u8,
}

/// A question under way.
#[derive(Debug)]
struct Asked {
    number: u64,
    whom: (NodeId, Life),
    at: Mono,
    claims: Vec<(Key, Version)>,
}

impl Doubted {
    pub(super) fn is_waiting(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether whoever was asked has not answered for too long.
    pub(super) fn is_late(&self, now: Mono) -> bool {
        self.asked.as_ref().is_some_and(|a| now.since(a.at) >= STUCK_MS * 1_000_000)
    }

    /// Whether nothing is in doubt.
    pub(super) fn is_over(&self) -> bool {
        self.asked.is_none() && self.confirmed.is_empty()
    }
}

impl Sessions {
    /// A peer is in doubt about these: whoever can say more is asked, if there is somebody.
    pub(super) fn ask_third(
        &mut self,
        from: NodeId,
        bit: u8,
        partition: Partition,
        (doubt, mut claims): (Option<Box<Doubt>>, Vec<(Key, Version)>),
        turn: &mut Turn<'_>,
    ) {
        if claims.len() > HEADERS_MAX {
            // So many are answered, and then offered once more in one push, all under what is said
            // now. The rest is offered anew.
            claims.truncate(HEADERS_MAX);
            turn.with(partition, |kept, _| kept.offer_again(bit));
        }
        let theirs = turn.see(partition, |kept, _| kept.sessions().get(bit).map(|s| s.theirs));
        let (Some(doubt), Some(theirs)) = (doubt, theirs) else {
            return self.drop_claims(bit, partition, &claims, turn);
        };
        let here = |(peer, life): &&(NodeId, Life)| {
            *peer != from && turn.reachable.contains(peer) && turn.life(*peer) == *life
        };
        let whom = doubt.by.iter().find(here).copied();
        let number = self.number();
        let doubted = &mut self.talks.entry((from, partition)).or_default().doubted;
        doubted.said = (theirs, doubt.adopted);
        if !turn.rules().confirms() {
            doubted.confirmed.extend(claims);
            return;
        }
        let Some(whom) = whom.filter(|_| doubted.unanswered < TRIES_MAX) else {
            doubted.unanswered = 0;
            return self.drop_claims(bit, partition, &claims, turn);
        };
        let message = Exchange::Confirm { partition, number, claims: claims.clone() };
        doubted.asked = Some(Asked { number, whom, at: turn.now.mono, claims });
        self.waiting.insert((from, partition));
        turn.with(partition, |kept, _| kept.note_doubted(bit, true));
        turn.outbox.exchange(whom.0, partition, &message);
    }

    /// A peer asks what this node holds.
    pub(super) fn on_confirm(
        &self,
        from: NodeId,
        partition: Partition,
        (number, claims): (u64, Vec<(Key, Version)>),
        turn: &mut Turn<'_>,
    ) {
        let holds = turn.see(partition, |kept, context| {
            let knows = matches!(kept.role(), Role::Ready | Role::Old);
            let claims = claims.iter().filter(|_| knows).take(HEADERS_MAX);
            claims.map(|(key, version)| kept.holds(key_ref(key), *version, context)).collect()
        });
        let life = self.life;
        let message = Exchange::Confirmed { partition, number, life, holds };
        turn.outbox.exchange(from, partition, &message);
    }

    /// A third says what it holds.
    pub(super) fn on_confirmed(
        &mut self,
        from: (NodeId, Life),
        partition: Partition,
        (number, holds): (u64, Vec<bool>),
        turn: &mut Turn<'_>,
    ) {
        let asked = |asked: &mut Asked| asked.number == number && asked.whom == from;
        let peers: Vec<(u8, NodeId)> = turn.see(partition, |kept, _| {
            kept.sessions().iter().map(|(bit, session)| (bit, session.peer)).collect()
        });
        for (bit, peer) in peers {
            let Some(talk) = self.talks.get_mut(&(peer, partition)) else { continue };
            let Some(Asked { claims, .. }) = talk.doubted.asked.take_if(asked) else { continue };
            talk.doubted.unanswered = 0;
            let mut dropped = Vec::new();
            for (at, claim) in claims.into_iter().enumerate() {
                match holds.get(at) {
                    Some(true) => talk.doubted.confirmed.push_back(claim),
                    _ => dropped.push(claim),
                }
            }
            self.drop_claims(bit, partition, &dropped, turn);
            self.end_doubt(peer, bit, partition, turn);
            self.due.insert((peer, partition));
        }
    }

    /// What is to be offered once more, and what the peer has said of it; `None` if there is nothing.
    pub(super) fn vouched(
        &mut self,
        to: NodeId,
        bit: u8,
        partition: Partition,
        turn: &Turn<'_>,
    ) -> Option<(u32, Vec<Header>)> {
        let doubted = &mut self.talks.get_mut(&(to, partition))?.doubted;
        if doubted.is_late(turn.now.mono) {
            doubted.asked = None;
            doubted.unanswered += 1;
            turn.with(partition, |kept, _| kept.offer_again(bit));
        }
        if doubted.confirmed.is_empty() {
            return None;
        }
        let (number, adopted) = doubted.said;
        let theirs = turn.see(partition, |kept, _| kept.sessions().get(bit).map(|s| s.theirs));
        if theirs != Some(number) {
            // Whatever it may have forgotten since, it did not wait for this node.
            doubted.confirmed.clear();
            turn.with(partition, |kept, _| kept.offer_again(bit));
            return None;
        }
        let count = doubted.confirmed.len().min(HEADERS_MAX);
        let claims = doubted.confirmed.drain(..count);
        let headers = claims.map(|(key, version)| Header { key, version, live: true });
        Some((adopted, headers.collect()))
    }

    /// Nothing is in doubt any more, if so it is.
    pub(super) fn end_doubt(
        &mut self,
        peer: NodeId,
        bit: u8,
        partition: Partition,
        turn: &Turn<'_>,
    ) {
        let over = self.talks.get(&(peer, partition)).is_none_or(|talk| talk.doubted.is_over());
        if over {
            turn.with(partition, |kept, _| kept.note_doubted(bit, false));
        }
    }

    /// Nobody can say that these were not outlived.
    fn drop_claims(
        &mut self,
        bit: u8,
        partition: Partition,
        claims: &[(Key, Version)],
        turn: &Turn<'_>,
    ) {
        let condemned = turn.with(partition, |kept, _| {
            let claims = claims.iter();
            claims.filter(|(key, version)| kept.condemned(bit, key_ref(key), *version)).count()
        });
        self.stats.condemned += condemned as u64;
    }
}
