//! When a partition that boots is ready: when every owner and holder that can be reached has offered
//! all it has, and has judged what this node brought along. Then all floors are adopted together.
//!
//! If none of them is ready, everybody is asked who holds something: owners that know nothing must
//! not agree among themselves that there is nothing.

use std::collections::BTreeSet;

use super::{Sessions, UNSETTLED_MS};
use crate::node::ascending::ascending;
use crate::node::message::Exchange;
use crate::node::turn::Turn;
use crate::placement::{NodeId, Partition};
use crate::store::sessions::Session;
use crate::store::{Mono, Role};

/// An owner that is a member but cannot be reached is waited for so long, in milliseconds.
const PATIENCE_MS: u64 = 4_000;

/// A member that had a link, and cannot be reached, so long: after a stop of this node all links are
/// gone, and come back one after the other.
const LINK_MS: u64 = 1_000;

/// Time between two questions to everybody who holds something, in milliseconds.
const ASK_MS: u64 = 100;

/// One partition on its way to ready.
#[derive(Debug)]
pub(super) struct Boot {
    since: Mono,
    /// It held nothing when it began.
    pub(super) blank: bool,
    /// When all members were asked last, those that are no owners, too.
    everybody: Option<Mono>,
    /// Members that have neither told all they hold, nor that it is nothing.
    pub(super) unheard: BTreeSet<NodeId>,
}

impl Sessions {
    /// Begins to boot a partition, or begins anew.
    pub(super) fn boot(&mut self, partition: Partition, turn: &mut Turn<'_>) {
        self.stats.boots += 1;
        self.find_company(partition, turn);
        let blank = turn.with(partition, |kept, _| {
            kept.ask_again();
            kept.entries() == 0
        });
        let since = turn.now.mono;
        let boot = Boot { since, blank, everybody: None, unheard: BTreeSet::new() };
        self.boots.insert(partition, boot);
        for peer in turn.reachable {
            if self.talks.contains_key(&(*peer, partition)) {
                self.brought.insert(*peer, turn.now.mono);
                self.due.insert((*peer, partition));
            }
        }
    }

    pub(super) fn consider_boots(&mut self, turn: &mut Turn<'_>) {
        let booting: Vec<Partition> = self.boots.keys().copied().collect();
        for partition in booting {
            self.consider_ready(partition, turn);
        }
    }

    /// Whether a booting partition has everything that is to be had.
    fn consider_ready(&mut self, partition: Partition, turn: &mut Turn<'_>) {
        if self.is_opening(partition) {
            return;
        }
        let Some(boot) = self.boots.get_mut(&partition) else {
            return;
        };
        let patient = turn.now.mono.since(boot.since) < PATIENCE_MS * 1_000_000;
        let waits = |peer: &NodeId| {
            turn.members.contains(peer) && (patient || turn.reachable.contains(peer))
        };
        let mut complete = true;
        let mut ready = false;
        let (mut judged, mut heard_out) = (Vec::new(), Vec::new());
        turn.with(partition, |kept, _| {
            for owner in turn.other_owners(partition) {
                complete &= kept.sessions().bit(owner).is_some() || !waits(&owner);
            }
            let is_owner = |session: &Session| turn.ring.owners(partition).contains(&session.peer);
            let told = |s: &Session| s.done && (s.counts_me || !is_owner(s));
            let sessions = || kept.sessions().iter();
            // Before it is looked at what was judged, which takes longer.
            complete &= sessions().all(|(_, session)| told(session) || !waits(&session.peer));
            if !complete {
                return;
            }
            for (bit, session) in sessions() {
                let holder = matches!(session.role, Role::Ready | Role::Old);
                if told(session) && (session.valid || kept.may_become_valid(bit)) {
                    ready |= holder;
                    judged.push(bit);
                    heard_out.push(session.peer);
                } else {
                    complete &= !waits(&session.peer);
                }
            }
        });
        if !complete {
            return;
        }
        if !ready {
            // Also members that have no link to this node yet, as when it has only just joined: the
            // one holder may be among them.
            if boot.everybody.is_none() {
                boot.unheard.clone_from(turn.members);
            }
            // Not whoever has begun to tell: want of memory may have closed that session.
            boot.unheard.retain(|peer| !heard_out.contains(peer));
            let soon = turn.now.mono.since(boot.since) < LINK_MS * 1_000_000;
            let [mut met, mut reachable, mut member] =
                [&self.met, turn.reachable, turn.members].map(ascending);
            boot.unheard.retain(|peer| {
                let (met, reachable, member) = (met(peer), reachable(peer), member(peer));
                let waited_for = member && (patient || reachable);
                if met { reachable || (soon && waited_for) } else { waited_for }
            });
            let due = |asked: Mono| turn.now.mono.since(asked) >= ASK_MS * 1_000_000;
            if boot.everybody.is_none_or(due) {
                boot.everybody = Some(turn.now.mono);
                for peer in boot.unheard.intersection(turn.reachable) {
                    turn.outbox.exchange(*peer, partition, &Exchange::Who { partition });
                }
            }
            if !boot.unheard.is_empty() {
                return;
            }
        }
        self.boots.remove(&partition);
        let own = (turn.own, self.life);
        turn.with(partition, |kept, _| {
            for bit in &judged {
                let valid = kept.sessions().get(*bit).is_none_or(|session| session.valid);
                if !valid {
                    kept.become_valid(*bit, own);
                }
            }
        });
        if judged.is_empty() {
            // Whoever turns up with more is to be heard out. Before it is ready: marks that have
            // come meanwhile would be forgotten at once, and the floor condemn what that one holds.
            self.find_alone(partition, turn);
        }
        let unsettled = turn.now.mono.plus_ms(UNSETTLED_MS);
        turn.store.set_role(partition, Role::Ready, turn.is_sole(partition), unsettled);
        for peer in turn.reachable {
            if self.talks.contains_key(&(*peer, partition)) {
                self.due.insert((*peer, partition));
            }
        }
    }
}
