//! What a partition does in an exchange with another holder: offers, and learns what the other
//! covers; what it says of the other's entries is in `judgement`. Each step is atomic under the
//! lock; who talks to whom and when is decided in `node/sessions`.
//!
//! What it keeps true, and why nothing that was overwritten comes back:
//! * A bit says "that peer covers this version", and is set only by what the peer said under the
//!   current session number. Covering never ends while the peer's memory lives.
//! * What is forgotten was stable: every open session's peer covered it.
//! * A peer that is not valid here is not told "I cover it" on the strength of a floor alone: it is
//!   told to drop the content, because this node may have outlived it, unless one who covers all that
//!   is forgotten here has confirmed it since.
//! * Becoming valid takes over the other's floor, after every own entry below it was judged.

use super::recent::Recent;
use super::{Context, Cursor, FLOORS, Partition, Role, bucket};
use crate::placement::{Life, NodeId};
use crate::store::clock::{Mono, Stamp};
use crate::store::entry::{Key, Version};
use crate::store::record::{KeyRef, Record};
use crate::store::sessions::{Forgotten, Offered, Scan, Session};

/// What an entry takes in a message beside its key and its value, in bytes: versions, lengths.
pub const ENTRY_BYTES: usize = 48;

/// Of fewer entries that a peer may lack, the headers are no more than a comparison.
const COMPARED_MIN: usize = 16;
/// Most processes of which it is remembered how much they have forgotten: those started last.
const KNOWN_MAX: usize = 64;

/// One entry as it is offered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// The key.
    pub key: Key,
    /// The version.
    pub version: Version,
    /// Whether there is a value; otherwise it is a mark.
    pub live: bool,
}

/// What a peer's entry is to this partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum Verdict {
    /// It is covered.
    Ack,
    /// The value would be taken.
    Want,
    /// It may have been outlived: drop the content, keep the mark.
    Condemn,
    /// The same, but there are others who cover all that is forgotten here: if one of them still
    /// holds it, it was not.
    Doubt,
    /// It would be taken, if there were room for it: it is to be offered again to a node that is
    /// ready.
    NoRoom,
    /// It cannot be judged now, because a clock is off, or a third has to be asked: offer it again.
    Later,
}

/// Who offers something.
#[derive(Clone, Copy, Debug)]
pub struct Offerer {
    /// Its bit.
    pub bit: u8,
    /// Whether it was offered under this side's current number, so that the peer is known to cover
    /// it.
    pub echoed: bool,
    /// What was in doubt here another one still held after that; see [`Partition::adopted`].
    pub vouched: Option<u32>,
}

/// How much is offered at once.
#[derive(Clone, Copy, Debug)]
pub struct OfferLimit {
    /// Most headers.
    pub headers: usize,
    /// Most bytes of keys, and of the values that go with them.
    pub bytes: usize,
    /// Values below so many bytes go with their headers.
    pub inline: usize,
    /// What is read goes before the rest.
    pub hot_first: bool,
    /// Entries installed later than this are left out: their acknowledgements are on their way.
    pub before: Mono,
}

impl OfferLimit {
    /// The bytes that an entry takes in an offer.
    fn cost(&self, record: &Record) -> usize {
        let value = record.parts().value.map_or(0, <[u8]>::len);
        let inline = if value < self.inline { value } else { 0 };
        record.key().bytes.len() + inline + ENTRY_BYTES
    }
}

/// What a peer said of its session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Its number.
    pub number: u64,
    /// This side's number, as it knows it.
    pub echo: u64,
    /// What it is to the partition.
    pub role: Role,
    /// Whether it is valid here.
    pub valid: bool,
    /// Whether it counts this node as an owner.
    pub counts_you: bool,
    /// Its epoch.
    pub epoch: u32,
    /// Its question for all that this side has.
    pub ask: u32,
    /// Counts what it has said in the session.
    pub said: u32,
}

/// What a standing is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hearing {
    /// The peer does not know this side's current number.
    Stranger,
    /// It came behind one that was said later: what was asked with it may be answered, and how the
    /// peer stands is known better.
    Late,
    /// This is how the peer stands.
    Current,
}

impl Partition {
    /// Opens a session with one life of a peer, in place of one with the same peer: its bit is clear
    /// on every entry, and everything is to be offered. `None` if all bits are taken.
    pub fn open_session(&mut self, peer: NodeId, life: Life, number: u64) -> Option<u8> {
        let bit = self.sessions.open(peer, life, number)?;
        self.end_comparison(bit, false);
        self.clear_bit(bit);
        self.keep_tree();
        Some(bit)
    }

    /// Closes the session with a peer: nobody waits for it any more.
    pub fn close_session(&mut self, peer: NodeId) {
        if let Some(bit) = self.sessions.bit(peer) {
            self.sessions.close(bit);
            self.end_comparison(bit, false);
            self.purge();
            self.keep_tree();
        }
    }

    /// Takes note of what a peer said of its session. Returns what that is worth; `None` if it comes
    /// from a number the peer has left behind.
    pub fn hear(&mut self, bit: u8, heard: &Heard, now: Mono) -> Option<Hearing> {
        let session = self.sessions.get_mut(bit)?;
        if heard.number < session.theirs {
            return None;
        }
        if heard.number > session.theirs {
            session.theirs = heard.number;
            session.epoch = None;
            session.done = false;
            session.valid = false;
            session.trusted = false;
            session.offered = None;
            session.scan = Scan::START;
            session.answered = 0;
            session.latest = 0;
            session.ask = session.ask.wrapping_add(1);
            session.fresh = true;
            session.doubted = false;
            session.no_room = false;
            self.end_comparison(bit, false);
            self.clear_bit(bit);
        }
        let session = self.sessions.get_mut(bit)?;
        if heard.echo != session.mine && self.rules.echoes() {
            return Some(Hearing::Stranger);
        }
        if heard.said < session.latest && self.rules.in_order() {
            return Some(Hearing::Late);
        }
        session.latest = heard.said;
        let before = std::mem::replace(&mut session.role, heard.role);
        let mut room = false;
        if before == Role::Boot && heard.role != Role::Boot {
            room = std::mem::take(&mut session.no_room);
            session.fresh |= room;
        }
        session.counts_me = heard.counts_you;
        session.epoch = Some(heard.epoch);
        let news = heard.valid && !std::mem::replace(&mut session.trusted, heard.valid);
        session.asked = heard.ask;
        session.heard = now;
        if news {
            self.purge();
        }
        if room {
            self.offer_again(bit);
        }
        Some(Hearing::Current)
    }

    /// This side says how it stands. Returns how often it has, in this session.
    pub fn say(&mut self, bit: u8) -> u32 {
        let Some(session) = self.sessions.get_mut(bit) else { return 0 };
        session.said = session.said.saturating_add(1);
        session.said
    }

    /// The next entries that lack a peer's bit, and whether these were all. While both are compared,
    /// only what has come lately.
    pub fn offer(
        &mut self,
        bit: u8,
        limit: OfferLimit,
        context: &Context<'_>,
    ) -> (Vec<Header>, bool) {
        let mask = 1 << bit;
        let mut headers = Vec::new();
        let mut left = limit.bytes;
        let Some(session) = self.sessions.get(bit) else {
            return (headers, false);
        };
        let (scan, compared) = (session.scan, session.compared);
        let held_back = scan != Scan::Done && self.is_comparing(bit, context.now);
        let stands = match scan {
            _ if held_back => None,
            Scan::Hot(cursor) if limit.hot_first => Some((cursor, true)),
            Scan::Hot(_) => Some((Cursor::START, false)),
            Scan::At(cursor) => Some((cursor, false)),
            Scan::Done => None,
        };
        if let Some((cursor, only_hot)) = stands {
            let next = self.walk_records(cursor, limit.headers * 8, |record| {
                let key = record.key();
                let flushed = record.version().value <= context.flushes.of(key.namespace);
                if record.bits() & mask == 0 && !flushed && (record.is_hot() || !only_hot) {
                    left = left.saturating_sub(limit.cost(record));
                    headers.push(header(record, is_live(record, context)));
                }
                headers.len() < limit.headers && left > 0
            });
            let scan = match (next, only_hot) {
                (Some(next), true) => Scan::Hot(next),
                (None, true) => Scan::At(Cursor::START),
                (Some(next), false) => Scan::At(next),
                (None, false) => Scan::Done,
            };
            if let Some(session) = self.sessions.get_mut(bit) {
                session.scan = scan;
                session.fresh = false;
            }
            if scan != Scan::Done || headers.len() >= limit.headers {
                return (headers, false);
            }
        }
        self.prune();
        let mut all = !held_back;
        let passed_over =
            |recent: &&Recent| held_back && recent.at <= compared || recent.no_room & mask != 0;
        for recent in self.recent.iter().filter(|recent| !passed_over(recent)) {
            for record in self.table.iter_hash(recent.hash) {
                let key = record.key();
                let flushed = record.version().value <= context.flushes.of(key.namespace);
                let lacks = super::key_hash(key, self.seed) == recent.hash
                    && record.bits() & mask == 0
                    && !flushed;
                if !lacks || headers.iter().any(|h| is(&h.key, key)) {
                    continue;
                }
                if recent.at > limit.before || headers.len() >= limit.headers || left == 0 {
                    all = false;
                    continue;
                }
                left = left.saturating_sub(limit.cost(record));
                headers.push(header(record, is_live(record, context)));
            }
        }
        (headers, all)
    }

    /// Whether anything waits to be offered to a peer.
    pub fn owes(&self, bit: u8, before: Mono) -> bool {
        match self.sessions.get(bit) {
            Some(session) if session.scan == Scan::Done => {
                self.recent.iter().any(|recent| recent.at <= before)
            }
            session => session.is_some(),
        }
    }

    /// Whether what a peer may lack is still being looked for, and nobody else has to say anything
    /// before it goes on.
    pub fn is_scanning(&self, bit: u8, now: Mono) -> bool {
        let scans = self.sessions.get(bit).is_some_and(|session| session.scan != Scan::Done);
        scans && !self.is_comparing(bit, now)
    }

    /// What was offered to a peer was lost: all that it lacks is offered again.
    pub fn offer_again(&mut self, bit: u8) {
        if let Some(session) = self.sessions.get_mut(bit) {
            session.scan = Scan::START;
            session.doubted = false;
        }
        self.recent.iter_mut().for_each(|recent| recent.no_room &= !(1 << bit));
    }

    /// A peer covers this version.
    pub fn acked(&mut self, bit: u8, key: KeyRef<'_>, version: Version) {
        self.set_bits_where(self.hash(key), |r| r.is(key) && r.version() == version, 1 << bit);
    }

    /// A peer may have outlived this version: its content goes. Returns whether there was any.
    pub fn condemned(&mut self, bit: u8, key: KeyRef<'_>, version: Version) -> bool {
        let hash = self.hash(key);
        let held = self.table.find(hash, |r| r.is(key)).map(|r| (r.version(), r.is_mark()));
        let Some((held, mark)) = held else { return false };
        if held != version {
            return false;
        }
        self.demote(key, hash);
        self.condemn(key, hash);
        self.set_bits(key, hash, 1 << bit);
        !mark
    }

    /// Acknowledgements of a write as its coordinator gathered them: `acks` are the owners that
    /// cover it, with the epochs they said so in. Only those are believed that were last heard in
    /// that epoch.
    pub fn relayed(&mut self, hash: u64, stamp: Stamp, acks: impl Iterator<Item = (NodeId, u32)>) {
        let mut bits = 0;
        for (peer, epoch) in acks {
            let session = self.sessions.iter().find(|(_, session)| session.peer == peer);
            if let Some((bit, session)) = session
                && (session.epoch == Some(epoch) || !self.rules.epochs())
            {
                bits |= 1 << bit;
            }
        }
        let version = Version::of(stamp);
        self.set_bits_where(hash, |r| r.version() == version, bits);
    }

    /// A peer has offered all that it had, in answer to that question.
    pub fn note_full(&mut self, bit: u8, ask: u32, offered: Option<Offered>) {
        if let Some(session) = self.sessions.get_mut(bit)
            && session.ask == ask
        {
            let news = !std::mem::replace(&mut session.done, true);
            session.offered = offered.map(Box::new).or(session.offered.take());
            if news {
                self.purge();
            }
        }
    }

    /// This side has offered a peer all that it had, in answer to its question.
    pub fn note_answered(&mut self, bit: u8) {
        if let Some(session) = self.sessions.get_mut(bit) {
            session.answered = session.asked;
            session.told = true;
        }
    }

    /// It was not all after all.
    pub fn note_unanswered(&mut self, bit: u8) {
        if let Some(session) = self.sessions.get_mut(bit) {
            session.answered = 0;
        }
    }

    /// What was said to a peer may not have arrived.
    pub fn say_again(&mut self, bit: u8) {
        self.end_comparison(bit, true);
        self.offer_again(bit);
        if let Some(session) = self.sessions.get_mut(bit) {
            session.answered = 0;
            if !session.done {
                session.ask = session.ask.wrapping_add(1);
            }
        }
    }

    /// A peer is back in touch: what was said to it may not have arrived, and what it has taken
    /// meanwhile it has not told.
    pub fn in_touch_again(&mut self, bit: u8) {
        if let Some(session) = self.sessions.get_mut(bit) {
            session.done = false;
        }
        self.say_again(bit);
    }

    /// Another one has brought this side, or the peer, up to date: whatever it was not known to cover
    /// it may have by now, and to compare costs less than to offer.
    pub fn compare_again(&mut self, peer: NodeId, now: Mono) {
        let many = self.recent.len() >= COMPARED_MIN;
        let Some(bit) = self.sessions.bit(peer) else { return };
        if let Some(session) = self.sessions.get_mut(bit).filter(|_| many) {
            session.fresh = true;
            session.compared = now;
            // What the comparison leaves.
            session.scan = Scan::START;
        }
    }

    /// Asks every peer anew for all that this node lacks.
    pub fn ask_again(&mut self) {
        for session in self.sessions.iter_mut() {
            session.ask = session.ask.wrapping_add(1);
            session.done = false;
        }
    }

    /// Whether this node may become valid at a peer: it has heard all, and everything of its own at
    /// or below the peer's floor was judged.
    pub fn may_become_valid(&self, bit: u8) -> bool {
        let Some(Session {
            done: true,
            scan: Scan::Done,
            offered: Some(offered),
            doubted: false,
            ..
        }) = self.sessions.get(bit)
        else {
            return false;
        };
        let judged = |recent: &Recent| {
            self.table.iter_hash(recent.hash).all(|record| {
                let floor = offered.floors[bucket(recent.hash)];
                record.bits() & 1 << bit != 0 || record.version().value > floor
            })
        };
        self.recent.iter().all(judged)
    }

    /// What this partition's floors are made of; `own` is the process at hand.
    pub fn knowledge(&self, own: (NodeId, Life)) -> Vec<Forgotten> {
        let mut all = self.known.clone();
        if self.forgotten > 0 {
            all.push(Forgotten { by: own, count: self.forgotten });
        }
        all
    }

    /// Becomes valid at a peer: adopts its floors, and with them what others have forgotten. Other
    /// peers that are trusted here, or were told this side's former floors, lack what of that was
    /// news, unless they are known to be valid at the peer.
    pub fn become_valid(&mut self, bit: u8, own: (NodeId, Life)) {
        let Some(session) = self.sessions.get_mut(bit) else {
            return;
        };
        let Some(offered) = session.offered.take() else {
            return;
        };
        session.valid = true;
        self.adopted = self.adopted.wrapping_add(1);
        let peer = (session.peer, session.life);
        if self.rules.adopt_floors() {
            self.adopt_floors(&offered.floors);
        }
        let news = self.learn(&offered.knowledge, own);
        if !self.rules.renewals() {
            return;
        }
        for other in self.sessions.iter_mut() {
            let process = (other.peer, other.life);
            if process == peer || !(other.trusted || other.told) {
                continue;
            }
            for by in &news {
                let covered = *by == process || *by == peer && offered.valid.contains(&process);
                if !covered && !other.lacks.contains(by) {
                    other.lacks.push(*by);
                }
            }
        }
    }

    /// Takes note of what others have forgotten. Returns of whom there was news.
    fn learn(&mut self, knowledge: &[Forgotten], own: (NodeId, Life)) -> Vec<(NodeId, Life)> {
        let mut news = Vec::new();
        for forgotten in knowledge.iter().filter(|forgotten| forgotten.by != own) {
            match self.known.iter_mut().find(|known| known.by == forgotten.by) {
                Some(known) if known.count >= forgotten.count => {}
                Some(known) => {
                    known.count = forgotten.count;
                    news.push(forgotten.by);
                }
                None => {
                    self.known.push(*forgotten);
                    news.push(forgotten.by);
                }
            }
        }
        // All holders keep the same ones, so that none is news again and again.
        self.known.sort_unstable_by_key(|known| (std::cmp::Reverse(known.by.1), known.by.0));
        self.known.truncate(KNOWN_MAX);
        news.retain(|by| self.known.iter().any(|known| known.by == *by));
        news
    }

    /// A process says which peers cover what it has forgotten.
    pub fn note_valid(&mut self, by: (NodeId, Life), valid: &[(NodeId, Life)]) {
        for other in self.sessions.iter_mut() {
            if valid.contains(&(other.peer, other.life)) {
                other.lacks.retain(|lacking| *lacking != by);
            }
        }
    }

    /// The bits of the peers that are not known to cover what that process has forgotten.
    pub fn lacking(&self, by: (NodeId, Life)) -> Vec<u8> {
        let lacking = self.sessions.iter().filter(|(_, session)| session.lacks.contains(&by));
        lacking.map(|(bit, _)| bit).collect()
    }

    /// Gives a session a new number.
    pub fn renew_session(&mut self, bit: u8, number: u64) {
        self.end_comparison(bit, true);
        self.sessions.renew(bit, number);
    }

    /// The bits of what is held of a key: who is known to cover it.
    pub fn bits(&self, key: KeyRef<'_>) -> u8 {
        self.table.find(self.hash(key), |r| r.is(key)).map_or(0, Record::bits)
    }

    /// Whether a key's value was dropped because a peer may have outlived it.
    #[cfg(feature = "simulation")]
    pub fn is_condemned(&self, key: KeyRef<'_>) -> bool {
        self.table.find(self.hash(key), |r| r.is(key)).is_some_and(Record::is_condemned)
    }

    /// Calls `visit` with everything that a peer is known to cover.
    #[cfg(feature = "simulation")]
    pub fn each_covered(&self, bit: u8, mut visit: impl FnMut(KeyRef<'_>, Version)) {
        let known = self.table.iter().filter(|record| record.bits() & 1 << bit != 0);
        known.for_each(|record| visit(record.key(), record.version()));
    }

    /// Whether all who hold the partition cover this entry, so that it can be forgotten silently. A
    /// booting node forgets nothing, nor does one that has only just found itself alone; nor one that
    /// owns no more, because writes do not come to it, and its floor would condemn what it has not
    /// been offered yet. For the same reason whoever was out of touch, or is not valid here, is heard
    /// out before.
    pub(super) fn is_stable(&self, bits: u8) -> bool {
        let rules = &self.rules;
        if !rules.marks() || !self.sessions.are_all(bits) {
            return !rules.marks();
        }
        let boots = self.role == Role::Boot && rules.boot_keeps();
        let old = self.role == Role::Old && rules.old_keeps();
        let lonely = self.lonely && rules.lonely_keeps();
        let heard_out = |(_, session): (u8, &Session)| session.done && session.trusted;
        let unheard = || rules.hears_out() && !self.sessions.iter().all(heard_out);
        !boots && !old && !lonely && !unheard()
    }

    pub(super) fn set_bits(&mut self, key: KeyRef<'_>, hash: u64, bits: u8) {
        self.set_bits_where(hash, |r| r.is(key), bits);
    }

    /// Sets bits of an entry. It comes with every write, so it looks only once.
    fn set_bits_where(&mut self, hash: u64, which: impl Fn(&Record) -> bool, bits: u8) {
        let Some(record) = self.table.find_mut(hash, &which) else {
            return;
        };
        record.set_bits(record.bits() | bits);
        let (bits, mark) = (record.bits(), record.is_mark());
        if mark && self.is_stable(bits) {
            let key = self.table.find(hash, which).expect("just found").key();
            let (namespace, bytes) = (key.namespace, key.bytes.to_vec());
            self.forget(KeyRef { namespace, bytes: &bytes }, hash);
        }
    }

    /// Of a session that begins; the bit of one that was closed says nothing.
    fn clear_bit(&mut self, bit: u8) {
        for record in &mut self.table {
            record.set_bits(record.bits() & !(1 << bit));
        }
        // Whatever was waiting in the list is in the table, which is looked through anew; it stays
        // listed for the others.
    }

    /// Forgets the marks that have become stable.
    pub(in crate::store) fn purge(&mut self) {
        // With every bit set it would be stable, if anything is.
        if self.marks == 0 || !self.is_stable(u8::MAX) {
            return;
        }
        let mut stable = Vec::new();
        for record in &self.table {
            if record.is_mark() && self.is_stable(record.bits()) {
                stable.push((record.namespace(), record.key().bytes.to_vec()));
            }
        }
        for (namespace, bytes) in stable {
            let key = KeyRef { namespace, bytes: &bytes };
            self.forget(key, self.hash(key));
        }
    }
}

fn is(key: &Key, other: KeyRef<'_>) -> bool {
    key.namespace == other.namespace && key.bytes == other.bytes
}

pub(super) fn header(record: &Record, live: bool) -> Header {
    let key = record.key();
    let bytes = bytes::Bytes::copy_from_slice(key.bytes);
    Header { key: Key { namespace: key.namespace, bytes }, version: record.version(), live }
}

fn is_live(record: &Record, context: &Context<'_>) -> bool {
    matches!(super::judge(record, context), super::Held::Value(_))
}

/// Floors below everything.
pub const NO_FLOORS: [Stamp; FLOORS] = [Stamp::ZERO; FLOORS];
