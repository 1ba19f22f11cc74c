//! What changed among the members since the last look.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use foca::State as Swim;

use super::{Identity, Known, Membership, config};
use crate::node::event::{MemberState, Notice};
use crate::node::outbox::Outbox;
use crate::placement::{Generation, Life, NodeId};
use crate::store::{Mono, Now};

/// From so many members on, news of them are taken in several at a time.
const MANY: usize = 64;

/// What changed in the members, for the rest of the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// A member is there, or there again, or another process of it, with another memory.
    Up(NodeId),
    /// A member is gone.
    Gone(NodeId),
    /// This node was declared down meanwhile and is back.
    Rejoined,
}

/// What can change of a member, as foca lists it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Listed {
    id: NodeId,
    addr: SocketAddr,
    generation: Generation,
    life: Life,
    state: MemberState,
}

impl Listed {
    fn of(member: &foca::Member<Identity>) -> Listed {
        let &Identity { id, addr, generation, life, .. } = member.id();
        Listed { id, addr, generation, life, state: state_of(member) }
    }
}

fn state_of(member: &foca::Member<Identity>) -> MemberState {
    match member.state() {
        Swim::Alive => MemberState::Alive,
        Swim::Suspect => MemberState::Suspect,
        Swim::Down => MemberState::Down,
    }
}

impl Membership {
    /// Compares with foca's list: who came, went, or is in another life. Notifications are only a
    /// reason to look; the list is the truth.
    pub fn changes(&mut self, now: Now, outbox: &mut Outbox) -> Vec<Change> {
        let mut changes = Vec::new();
        if !self.dirty || now.mono < self.next_look {
            return changes;
        }
        self.dirty = false;
        if std::mem::take(&mut self.rejoined) {
            changes.push(Change::Rejoined);
        }
        // Every packet comes this way, and nearly all say what is known.
        let own = self.identity().id;
        let others = self.foca.iter_membership_state().filter(|m| m.id().id != own);
        if others.map(Listed::of).eq(self.listed.iter().copied()) {
            self.consider_opening(now, outbox);
            return changes;
        }
        let listed = Vec::with_capacity(self.listed.len() + 1);
        let mut before = std::mem::replace(&mut self.listed, listed).into_iter();
        let mut news = Vec::new();
        for member in self.foca.iter_membership_state().filter(|m| m.id().id != own) {
            let (identity, state) = (member.id(), state_of(member));
            let listed = Listed::of(member);
            self.listed.push(listed);
            // Most stand where they stood, and were taken note of then.
            if before.next() == Some(listed) {
                continue;
            }
            let known = self.members.get(identity.id);
            if known.is_none_or(|k| k.state != state || k.identity != *identity) {
                news.push((identity.clone(), state));
            }
        }
        for (identity, state) in news {
            let id = identity.id;
            let before = self.members.get(id).cloned();
            let same =
                |k: &&Known| k.state == state && k.identity.generation == identity.generation;
            let since = match before.as_ref().filter(same) {
                Some(known) => known.since,
                None => self.down_since.get(&id).copied().unwrap_or(now.mono),
            };
            let replaced = before.as_ref().is_some_and(|k| k.identity.life != identity.life);
            let moves = before.as_ref().is_some_and(|k| k.identity.weight != identity.weight);
            let was = before.map(|k| k.state);
            let view = self.view(&identity, state, false);
            self.next_dials = now.mono;
            if was.is_none_or(|was| was == MemberState::Down) && state != MemberState::Down {
                // Whatever came of earlier dials, it is there now.
                self.dials.remove(&identity.addr);
            }
            let told = Mono(0);
            self.members.insert(Known { identity, state, since, told });
            match (was, state) {
                (None | Some(MemberState::Down), MemberState::Alive | MemberState::Suspect) => {
                    outbox.notice(Notice::MemberUp(view));
                    changes.push(Change::Up(id));
                }
                (Some(MemberState::Alive | MemberState::Suspect), MemberState::Down) => {
                    outbox.notice(Notice::MemberDown(view));
                    changes.push(Change::Gone(id));
                }
                (_, MemberState::Alive | MemberState::Suspect) if replaced => {
                    outbox.notice(Notice::MemberUp(view));
                    changes.push(Change::Up(id));
                }
                (_, MemberState::Alive | MemberState::Suspect) if moves => {
                    changes.push(Change::Up(id));
                }
                (Some(MemberState::Suspect), MemberState::Alive) => {
                    outbox.notice(Notice::MemberRefuted(view));
                }
                (Some(MemberState::Alive), MemberState::Suspect) => {
                    outbox.notice(Notice::MemberSuspect(view));
                }
                _ => {}
            }
        }
        self.down_since.clear();
        if self.listed.len() < self.members.len() {
            // foca forgets members that have been down for long.
            let listed: BTreeSet<NodeId> = self.listed.iter().map(|listed| listed.id).collect();
            let known = self.members.iter().map(|known| known.identity.id);
            let gone: Vec<_> = known.filter(|id| !listed.contains(id)).collect();
            for id in gone {
                self.members.remove(id);
                changes.push(Change::Gone(id));
            }
        }
        let size = self.present().len() as u32 + 1;
        if size != self.sized_for && size > 3 {
            self.sized_for = size;
            let _ = self.foca.set_config(config(size));
        }
        self.next_look = now.mono.plus_ms(pause_ms(self.members.len()));
        self.consider_opening(now, outbox);
        changes
    }
}

/// How long after news of so many members the next are waited for.
///
/// Each makes a ring, which takes as long as there are nodes, and while a large cluster forms they
/// come one by one: a node of a thousand would do nothing else. None in a small cluster; a quarter of
/// a second in that one.
fn pause_ms(members: usize) -> u64 {
    if members < MANY { 0 } else { members as u64 / 4 }
}
