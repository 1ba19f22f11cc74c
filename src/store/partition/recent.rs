//! What was installed lately and somebody may lack: so that offering it needs no walk over all that
//! is held.

use std::collections::BTreeSet;

use super::Partition;
use crate::store::clock::Mono;
use crate::store::record::{KeyRef, Record};
use crate::store::sessions::{Scan, Session};

/// Most entries installed since they were last offered that are listed; beyond, all is looked
/// through again.
const RECENT_MAX: usize = 4096;

/// An entry installed while somebody may lack it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recent {
    pub(super) hash: u64,
    pub(super) at: Mono,
    pub(super) brought: Brought,
    /// The bits of booting peers that have no room for it.
    pub(super) no_room: u8,
}

/// How an entry came here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Brought {
    /// It was written, or somebody had it who may have nobody to hand it to but this node.
    New,
    /// An owner told of it in the exchange.
    ByOwner,
    /// A client of this node read it from an owner.
    ByRead,
}

impl Partition {
    /// Notes that an entry is new here, for those who may lack it.
    pub(super) fn note_recent(&mut self, hash: u64, at: Mono) {
        if self.sessions.mask() == 0 {
            return;
        }
        if self.recent.len() >= RECENT_MAX {
            self.prune();
        }
        if self.recent.len() >= RECENT_MAX {
            self.recent.clear();
            for session in self.sessions.iter_mut() {
                session.scan = Scan::START;
            }
            return;
        }
        self.recent.push_back(Recent { hash, at, brought: Brought::New, no_room: 0 });
    }

    /// What was taken just now came in that way.
    pub fn note_brought(&mut self, key: KeyRef<'_>, brought: Brought) {
        let hash = self.hash(key);
        if let Some(recent) = self.recent.back_mut().filter(|recent| recent.hash == hash) {
            recent.brought = brought;
        }
    }

    /// Drops from the list what everybody covers by now.
    pub(super) fn prune(&mut self) {
        let mask = self.sessions.mask();
        let table = &self.table;
        self.recent.retain(|recent| {
            table.iter_hash(recent.hash).any(|record| record.bits() & mask != mask)
        });
    }

    /// Whether anything that was installed up to then may be unknown to a peer: it is on the list, or
    /// all that there is has yet to be looked through.
    pub fn has_news_for(&mut self, bit: u8, before: Mono) -> bool {
        if self.sessions.get(bit).is_some_and(|session| session.scan != Scan::Done) {
            return true;
        }
        self.prune();
        let listed = self.recent.iter().filter(|recent| recent.at <= before);
        let lacks = |record: &Record| record.bits() & 1 << bit == 0;
        listed.into_iter().any(|recent| self.table.iter_hash(recent.hash).any(lacks))
    }

    /// Whether all these peers, who own it, cover what is held. Of what one of them brought, it is
    /// enough that one of them still has it: they go on taking and telling, and something would
    /// always be on its way to one of them.
    pub fn is_covered_by(&mut self, owners: u8) -> bool {
        self.prune();
        let mut seen = BTreeSet::new();
        let lacks = |recent: &Recent| {
            let latest = seen.insert(recent.hash);
            let brought = match self.rules.theirs_pass() {
                true => recent.brought,
                false => Brought::New,
            };
            let lacks = |record: &Record| match brought {
                Brought::New => record.bits() & owners != owners,
                Brought::ByOwner => record.bits() & owners == 0,
                Brought::ByRead => false,
            };
            latest && self.table.iter_hash(recent.hash).any(lacks)
        };
        let offered =
            |(bit, session): (u8, &Session)| owners & 1 << bit == 0 || session.scan == Scan::Done;
        self.sessions.iter().all(offered) && !self.recent.iter().rev().any(lacks)
    }
}
