//! What a peer's entry is to this partition: whether it is covered, wanted, or may have been
//! outlived; and who can say more, where this side cannot.

use std::collections::BTreeSet;

use super::exchange::{Header, Offerer, Verdict};
use super::recent::Brought;
use super::{Context, Partition, Role};
use crate::placement::{Life, NodeId};
use crate::store::entry::Version;
use crate::store::record::{KeyRef, Parts};
use crate::store::sessions::Session;

impl Partition {
    /// Judges a peer's header.
    pub fn judge(&mut self, by: Offerer, header: &Header, context: &Context<'_>) -> Verdict {
        let version = header.version;
        let key = KeyRef { namespace: header.key.namespace, bytes: &header.key.bytes };
        if !context.clock.believes(version.value.hlc, context.now)
            || !context.clock.believes(version.deadline.hlc, context.now)
        {
            return Verdict::Later;
        }
        if header.live && self.wants(key, version, context) {
            if self.has_room_for(key, context) {
                return Verdict::Want;
            }
            self.note_evicted(key.bytes);
            return Verdict::NoRoom;
        }
        if !header.live {
            self.merge(key, Parts { version, value: None, deadline_ms: None }, context);
        }
        self.verdict(by, key, version, header.live, context)
    }

    /// Whether a value is taken that is newer than what is held. While a partition boots, what it has
    /// to give up for want of memory leaves marks, so it rather takes no more.
    fn has_room_for(&self, key: KeyRef<'_>, context: &Context<'_>) -> bool {
        let full = self.role == Role::Boot && context.full;
        !full || self.table.find(self.hash(key), |r| r.is(key)).is_some_and(|r| !r.is_mark())
    }

    /// Takes a peer's entry, and judges it.
    pub fn take(
        &mut self,
        by: Offerer,
        key: KeyRef<'_>,
        parts: Parts<'_>,
        context: &Context<'_>,
    ) -> (Verdict, bool) {
        let version = parts.version;
        if !context.clock.believes(version.value.hlc, context.now)
            || !context.clock.believes(version.deadline.hlc, context.now)
        {
            return (Verdict::Later, false);
        }
        if self.wants(key, version, context) && !self.has_room_for(key, context) {
            self.note_evicted(key.bytes);
            return (Verdict::NoRoom, false);
        }
        let merged = self.merge(key, parts, context);
        let taken = matches!(merged, super::Merged::Taken { .. });
        let owner = |session: &Session| matches!(session.role, Role::Ready | Role::Boot);
        if taken && self.sessions.get(by.bit).is_some_and(owner) {
            self.note_brought(key, Brought::ByOwner);
        }
        (self.verdict(by, key, version, parts.value.is_some(), context), taken)
    }

    fn verdict(
        &mut self,
        by: Offerer,
        key: KeyRef<'_>,
        version: Version,
        live: bool,
        context: &Context<'_>,
    ) -> Verdict {
        let Offerer { bit, echoed, vouched } = by;
        let hash = self.hash(key);
        let held = self.table.find(hash, |r| r.is(key));
        let held = held.map(|r| (r.version(), r.is_condemned()));
        if let Some((held, condemned)) = held
            && held >= version
        {
            if echoed && held == version {
                self.set_bits(key, hash, 1 << bit);
            }
            if held != version || !condemned {
                return Verdict::Ack;
            }
        }
        let condemned = held == Some((version, true));
        // Covered by a floor, if at all, or by a mark that had to take the place of this very value.
        // A flush is known to both, or will be before any answer.
        let flushed = version.value <= context.flushes.of(key.namespace);
        if flushed || !live || !self.rules.condemn() {
            return Verdict::Ack;
        }
        match self.sessions.get(bit) {
            Some(session) if session.is_trusted() => Verdict::Ack,
            // It covered all until others told of more, and they are asked whether it covers that.
            Some(session) if session.trusted => Verdict::Later,
            _ if condemned || !echoed => Verdict::Condemn,
            _ if vouched == Some(self.adopted) => Verdict::Ack,
            _ if self.vouchers(bit).next().is_some() => Verdict::Doubt,
            _ => Verdict::Condemn,
        }
    }

    /// Who covers all that is forgotten here, besides the peer of that bit.
    pub fn vouchers(&self, bit: u8) -> impl Iterator<Item = (NodeId, Life)> {
        let vouches = move |(other, session): &(u8, &Session)| {
            let holder = matches!(session.role, Role::Ready | Role::Old);
            *other != bit && holder && session.is_trusted()
        };
        self.sessions.iter().filter(vouches).map(|(_, session)| (session.peer, session.life))
    }

    /// Counts how often the floors of others were adopted: what was said of what is forgotten here
    /// was said under one count, and is void under another.
    pub fn adopted(&self) -> u32 {
        self.adopted
    }

    /// Whether just that is held, and lives.
    pub fn holds(&self, key: KeyRef<'_>, version: Version, context: &Context<'_>) -> bool {
        matches!(self.look(key, context), super::Held::Value(parts) if parts.version == version)
    }

    /// A peer is in doubt about something that was offered to it, or no more.
    pub fn note_doubted(&mut self, bit: u8, doubted: bool) {
        if let Some(session) = self.sessions.get_mut(bit) {
            session.doubted = doubted;
        }
    }

    /// A booting peer has no room for the values of these hashes of keys.
    pub fn note_no_room(&mut self, bit: u8, hashes: &BTreeSet<u64>) {
        if let Some(session) = self.sessions.get_mut(bit) {
            session.no_room = true;
        }
        for recent in self.recent.iter_mut().filter(|recent| hashes.contains(&recent.hash)) {
            recent.no_room |= 1 << bit;
        }
    }
}
