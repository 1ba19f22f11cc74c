//! A partition: the entries of one contiguous range of slots, and everything a local answer about
//! them depends on.
//!
//! Role, sessions, floors and entries change only here, under the lock of the shard that holds the
//! partition, so a local operation ([`Partition::apply`]) is one atomic step: it answers, or says
//! why the answer is not to be had here ([`NotHere`]).
//!
//! What it keeps true:
//! * Stamps of a key never go back while the memory lives: [`Partition::merge`] is the only way in
//!   for what others wrote, and refuses what the floor covers.
//! * Floors only rise, and every forgetting raises them.
//! * The counters equal a recount.
//!
//! What it does not do: decide who owns it, talk to anyone, or read a clock.

use std::collections::VecDeque;

use hashbrown::HashTable;

use super::clock::{Clock, Mono, Stamp};
use super::entry::{Namespace, Version};
use super::flushes::Flushes;
use super::operation::{Answer, Change, Current, Operation, Update};
use super::record::{KeyRef, Parts, Record};
use super::rules::Rules;
use super::sessions::{Forgotten, Sessions};
use super::shard::key_hash;

pub mod comparison;
mod counting;
pub mod exchange;
mod guard;
pub mod heat;
mod judgement;
pub mod recent;
pub mod tree;
mod upkeep;

/// Number of floors of a partition: forgetting one key must not shut the door on all.
pub const FLOORS: usize = 16;

/// Most keys whose value was refused here that are remembered; the oldest are dropped.
const GHOSTS_MAX: usize = 64;

/// What a node is to a partition.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize,
)]
pub enum Role {
    /// Neither owns nor holds it.
    None,
    /// Owns it, but does not have all of it yet: takes writes, answers NotReady to reads.
    Boot,
    /// Owns it and has all of it.
    Ready,
    /// No longer owns it, but still holds entries that the owners may lack.
    Old,
}

/// Why a local operation has to be taken to the other owners.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotHere {
    /// This node is not a ready owner.
    Role(Role),
    /// A miss, and there is reason to doubt it.
    Doubt,
    /// A write that others must have too.
    Replicated,
    /// This node was not running for a while and may have missed something.
    Late,
}

/// What held entries have to say about a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held<'a> {
    /// A live value.
    Value(Parts<'a>),
    /// No value, and anything at or below this version is dead: a mark, an expired value, or a
    /// flushed one.
    Dead(Version),
    /// Nothing; anything at or below the floor may have been forgotten.
    Nothing,
}

/// What became of an entry offered to [`Partition::merge`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merged {
    /// It is held now.
    Taken {
        /// Whether a live value was replaced.
        replaced: bool,
    },
    /// That version, or a newer one, was known already.
    Covered,
    /// It is at or below this floor, and there is no value to replace.
    Below(Stamp),
}

/// What a decided update did.
#[derive(Debug)]
pub struct Decided {
    /// The answer for the client.
    pub answer: Answer<Vec<u8>>,
    /// The new version, if something was written; its parts are held now.
    pub written: Option<Version>,
}

/// What the surroundings lend to a step.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Gives out the stamps.
    pub clock: &'a Clock,
    /// Monotonic time.
    pub now: Mono,
    /// What deadlines are compared with, in milliseconds since 1970.
    pub expiry_ms: u64,
    /// Flush stamps.
    pub flushes: &'a Flushes,
    /// Longest value, in bytes.
    pub value_bytes_max: usize,
    /// Memory is used up but for what is written while a partition boots: it takes no more of what
    /// others hold.
    pub full: bool,
}

/// Where a walk over the table stands. Valid while the table keeps its layout.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Cursor {
    layout: u32,
    bucket: u32,
}

impl Cursor {
    /// Before the first entry.
    pub const START: Cursor = Cursor { layout: 0, bucket: 0 };
}

/// One partition.
#[derive(Debug)]
pub struct Partition {
    rules: Rules,
    pub(super) role: Role,
    /// No other owner: writes are complete here, and what is forgotten is forgotten for good.
    pub(super) sole: bool,
    /// Ready without having met another holder, and not for long: nothing is forgotten, because
    /// the floor would condemn what others, found a moment later, have held all along.
    pub(super) lonely: bool,
    /// Until then a miss is in doubt: the owners or the sessions changed lately.
    pub(super) unsettled_until: Mono,
    pub(super) sessions: Sessions,
    /// Keys the hash of the table and the choice of the floor; the same on all nodes of a cluster.
    seed: u64,
    floors: [Stamp; FLOORS],
    /// How many entries this node has forgotten by itself. Never less, not even after all was
    /// dropped.
    forgotten: u64,
    /// What others have forgotten, as far as the floors stand for it.
    known: Vec<Forgotten>,
    /// Counts how often the floors of others were adopted.
    adopted: u32,
    table: HashTable<Record>,
    /// Sums over what the table holds.
    tree: tree::Tree,
    /// Questions to peers under way.
    comparisons: Vec<comparison::Comparison>,
    /// Counts rehashes, which move entries between buckets.
    layout: u32,
    ghosts: VecDeque<u64>,
    /// Versions that local answers must not fall short of, by hash of the key.
    guards: VecDeque<(u64, Version)>,
    /// Entries that somebody may lack, oldest first.
    recent: VecDeque<recent::Recent>,
    /// Hashes of some keys that were read, for the other owners.
    heated: Vec<u64>,
    values: Vec<(Namespace, u32)>,
    /// Of these, how many a flush up to that stamp has killed that sweeping has not come to yet.
    flushed: Vec<(Namespace, Stamp, u32)>,
    marks: u32,
    record_bytes: usize,
    mark_bytes: usize,
    /// Counts the steps that may have changed anything but how it is used.
    #[cfg(feature = "simulation")]
    steps: u64,
    /// Counts how often it was dropped.
    #[cfg(feature = "simulation")]
    drops: u64,
    /// Keys of what went for want of memory, until somebody asks.
    #[cfg(feature = "simulation")]
    pub(super) evicted: Vec<Vec<u8>>,
}

impl Partition {
    /// An empty partition. `seed` keys the hashes of keys: it must be the same on all nodes of a
    /// cluster, because floors are compared, and unknown outside, because chosen keys could
    /// otherwise collide.
    pub fn new(seed: u64) -> Partition {
        Partition {
            rules: Rules::default(),
            role: Role::None,
            sole: false,
            lonely: false,
            unsettled_until: Mono(0),
            sessions: Sessions::default(),
            seed,
            floors: [Stamp::ZERO; FLOORS],
            forgotten: 0,
            known: Vec::new(),
            adopted: 0,
            table: HashTable::new(),
            tree: tree::Tree::idle(seed),
            comparisons: Vec::new(),
            layout: 0,
            ghosts: VecDeque::new(),
            guards: VecDeque::new(),
            recent: VecDeque::new(),
            heated: Vec::new(),
            values: Vec::new(),
            flushed: Vec::new(),
            marks: 0,
            record_bytes: 0,
            mark_bytes: 0,
            #[cfg(feature = "simulation")]
            steps: 0,
            #[cfg(feature = "simulation")]
            drops: 0,
            #[cfg(feature = "simulation")]
            evicted: Vec::new(),
        }
    }

    /// The same under other rules.
    pub(super) fn under(self, rules: Rules) -> Partition {
        Partition { rules, ..self }
    }

    /// The one local step. `reply` is called with the answer while the lock is held, so that a
    /// value can be copied once, to where it is needed.
    pub(super) fn apply<R>(
        &mut self,
        key: KeyRef<'_>,
        operation: &Operation<&[u8]>,
        context: &Context<'_>,
        reply: impl FnOnce(Answer<&[u8]>) -> R,
    ) -> Result<R, NotHere> {
        if !self.serves() {
            return Err(NotHere::Role(self.role));
        }
        match operation {
            Operation::Get if self.falls_short(key) => Err(NotHere::Doubt),
            Operation::Get => {
                let doubts = self.doubts(key, context.now);
                let sole = self.sole || !self.rules.doubts();
                match self.read(key, context) {
                    Held::Value(parts) => {
                        let value = parts.value.unwrap_or_default();
                        Ok(reply(Answer::Found { value, deadline_ms: parts.deadline_ms }))
                    }
                    // Where others may hold something newer, a mark is a reason to doubt, too.
                    Held::Dead(_) if !sole => Err(NotHere::Doubt),
                    _ if doubts => Err(NotHere::Doubt),
                    _ => Ok(reply(Answer::Missing)),
                }
            }
            _ if !self.sole => Err(NotHere::Replicated),
            Operation::Set { value, deadline_ms } => {
                self.write(key, Some((value, *deadline_ms)), context);
                Ok(reply(Answer::Done))
            }
            Operation::Delete => {
                let existed = matches!(self.look(key, context), Held::Value(_));
                self.write(key, None, context);
                Ok(reply(Answer::Existed(existed)))
            }
            Operation::Update(update) => {
                let decided = self.decide(key, update, None, context);
                Ok(reply(decided.answer.as_ref()))
            }
        }
    }

    /// What is held about a key, without counting as a use.
    pub fn look(&self, key: KeyRef<'_>, context: &Context<'_>) -> Held<'_> {
        let hash = self.hash(key);
        match self.table.find(hash, |r| r.is(key)) {
            Some(record) => judge(record, context),
            None => Held::Nothing,
        }
    }

    /// Whether a miss of that key is in doubt.
    pub fn doubts(&self, key: KeyRef<'_>, now: Mono) -> bool {
        let ghost = || !self.ghosts.is_empty() && self.ghosts.contains(&self.hash(key));
        self.rules.doubts() && !self.sole && (now < self.unsettled_until || ghost())
    }

    /// Whether this node covers (key, version): holds it or something later, or holds no value and
    /// has its floor, or a flush, at or above.
    pub fn covers(&self, key: KeyRef<'_>, version: Version, context: &Context<'_>) -> bool {
        let hash = self.hash(key);
        let floor = self.floor(key, context);
        let flushed = context.flushes.of(key.namespace);
        match self.table.find(hash, |r| r.is(key)) {
            Some(record) if record.version() >= version => true,
            Some(record) if !record.is_mark() && record.version().value > flushed => false,
            _ => floor >= version.value,
        }
    }

    /// The effective floor of a key: the largest stamp forgotten in its bucket, or its flush.
    pub fn floor(&self, key: KeyRef<'_>, context: &Context<'_>) -> Stamp {
        self.floors[bucket(self.hash(key))].max(context.flushes.of(key.namespace))
    }

    /// What a new stamp of a key has to be above, if that version is known.
    fn above(&self, key: KeyRef<'_>, known: Version, context: &Context<'_>) -> Stamp {
        let held = self.rules.above_held().then(|| known.latest());
        let floor = self.rules.above_floor().then(|| self.floor(key, context));
        held.max(floor).unwrap_or_default()
    }

    /// All floors, without the flushes.
    pub fn floors(&self) -> &[Stamp; FLOORS] {
        &self.floors
    }

    /// Raises the floors to another holder's.
    pub fn adopt_floors(&mut self, floors: &[Stamp; FLOORS]) {
        for (own, other) in self.floors.iter_mut().zip(floors) {
            *own = (*own).max(*other);
        }
    }

    /// Writes as the coordinator: draws a stamp above everything held for the key. `None` deletes.
    pub fn write(
        &mut self,
        key: KeyRef<'_>,
        content: Option<(&[u8], Option<u64>)>,
        context: &Context<'_>,
    ) -> Stamp {
        let hash = self.hash(key);
        let held = self.table.find(hash, |r| r.is(key)).map(|r| r.version());
        let above = self.above(key, held.unwrap_or_default(), context);
        let stamp = context.clock.stamp(context.now, above);
        let parts = Parts {
            version: Version::of(stamp),
            value: content.map(|(value, _)| value),
            deadline_ms: content.and_then(|(_, deadline_ms)| deadline_ms),
        };
        if parts.value.is_none() && self.is_stable(0) {
            // Nobody else can hold it: nothing to remember but that it is gone.
            self.remove(key, hash);
            self.raise(hash, stamp);
        } else {
            self.install(key, hash, parts, context.now);
        }
        stamp
    }

    /// Decides an update on the newest version known: what is held, or `newest` from another
    /// owner. Installs the result under a fresh stamp.
    pub fn decide<B: AsRef<[u8]>>(
        &mut self,
        key: KeyRef<'_>,
        update: &Update<B>,
        newest: Option<Parts<'_>>,
        context: &Context<'_>,
    ) -> Decided {
        let hash = self.hash(key);
        let record = self.table.find(hash, |r| r.is(key));
        let held_version = record.map_or(Version::ZERO, |r| r.version());
        let held = record.map_or(Held::Nothing, |r| judge(r, context));
        let newest = newest.filter(|parts| {
            parts.version > held_version
                && parts.version.value > self.floor(key, context)
                && parts.deadline_ms.is_none_or(|at| at > context.expiry_ms)
        });
        let (current, is_held) = match (held, newest) {
            (_, Some(parts)) => (Some(parts), false),
            (Held::Value(parts), None) => (Some(parts), true),
            _ => (None, false),
        };
        let basis = current.and_then(|parts| {
            parts.value.map(|value| Current { value, deadline_ms: parts.deadline_ms })
        });
        let (change, answer) = update.decide(basis, context.expiry_ms, context.value_bytes_max);
        let known = current.map_or(held_version, |c| c.version.max(held_version));
        let above = self.above(key, known, context);
        let written = match change {
            Change::Keep => None,
            Change::Put { value, deadline_ms } => {
                let version = Version::of(context.clock.stamp(context.now, above));
                self.install(
                    key,
                    hash,
                    Parts { version, value: Some(&value), deadline_ms },
                    context.now,
                );
                Some(version)
            }
            Change::Deadline(deadline_ms) => {
                let stamp = context.clock.stamp(context.now, above);
                let value = basis.map(|b| b.value.to_vec());
                // A value that only another owner holds is written anew, never re-admitted.
                let version = match current {
                    Some(parts) if is_held => {
                        Version { value: parts.version.value, deadline: stamp }
                    }
                    _ => Version::of(stamp),
                };
                let parts = Parts { version, value: value.as_deref(), deadline_ms };
                self.install(key, hash, parts, context.now);
                Some(version)
            }
            Change::Remove => Some(Version::of(self.write(key, None, context))),
        };
        Decided { answer, written }
    }

    /// The one way in for what others wrote: client writes by way of a coordinator, repair, boot.
    ///
    /// What is held at that version or later stays. A held *value* that is older is replaced.
    /// Otherwise, with nothing or only a mark held, the floor decides: a mark opens no door below
    /// it.
    pub fn merge(&mut self, key: KeyRef<'_>, offered: Parts<'_>, context: &Context<'_>) -> Merged {
        let hash = self.hash(key);
        let flush = context.flushes.of(key.namespace);
        let floor = self.refused(hash).max(flush);
        let below = |floor| match offered.value {
            // The floor says all that the tombstone would say.
            None => Merged::Covered,
            Some(_) => Merged::Below(floor),
        };
        let replaced = match self.table.find(hash, |r| r.is(key)) {
            Some(record) if record.version() >= offered.version => return Merged::Covered,
            Some(record) if !record.is_mark() => {
                if offered.version.value <= flush {
                    return below(flush);
                }
                matches!(judge(record, context), Held::Value(_))
            }
            Some(record)
                if record.version().value == offered.version.value
                    && (record.is_condemned() || offered.version.value <= floor) =>
            {
                // What is dead stays dead: only its deadline moved on. Of a value that was evicted or
                // has expired here, a later deadline is as good as a new write.
                let condemned = record.is_condemned();
                let parts = Parts { value: None, ..offered };
                self.install(key, hash, parts, context.now);
                if condemned {
                    self.condemn(key, hash);
                }
                return Merged::Covered;
            }
            _ if offered.version.value <= floor => return below(floor),
            _ => false,
        };
        self.install(key, hash, offered, context.now);
        Merged::Taken { replaced }
    }

    /// Whether [`Partition::merge`] would take that version.
    pub fn wants(&self, key: KeyRef<'_>, version: Version, context: &Context<'_>) -> bool {
        let hash = self.hash(key);
        let flush = context.flushes.of(key.namespace);
        match self.table.find(hash, |r| r.is(key)) {
            Some(record) if record.version() >= version => false,
            Some(record) if !record.is_mark() => version.value > flush,
            Some(record) if record.is_condemned() && record.version().value == version.value => {
                false
            }
            _ => version.value > self.refused(hash).max(flush),
        }
    }

    /// Up to where what is not held is refused, flushes aside.
    fn refused(&self, hash: u64) -> Stamp {
        if self.rules.floor_refuses() { self.floors[bucket(hash)] } else { Stamp::ZERO }
    }

    /// Notes that a value of this key was refused here, so that a miss of it is in doubt.
    pub fn note_ghost(&mut self, key: KeyRef<'_>) {
        let hash = self.hash(key);
        if !self.ghosts.contains(&hash) {
            if self.ghosts.len() == GHOSTS_MAX {
                self.ghosts.pop_front();
            }
            self.ghosts.push_back(hash);
        }
    }

    /// Walks on from a cursor: calls `visit` for up to `steps` entries, until it says `false`, and
    /// returns where to go on, or `None` at the end. A walk during which the table was rehashed
    /// starts over.
    pub fn walk(
        &self,
        from: Cursor,
        steps: usize,
        mut visit: impl FnMut(KeyRef<'_>, Parts<'_>) -> bool,
    ) -> Option<Cursor> {
        self.walk_records(from, steps, |record| visit(record.key(), record.parts()))
    }

    fn walk_records(
        &self,
        from: Cursor,
        steps: usize,
        mut visit: impl FnMut(&Record) -> bool,
    ) -> Option<Cursor> {
        let mut bucket = if from.layout == self.layout { from.bucket as usize } else { 0 };
        let mut left = steps;
        // Empty buckets cost a little too: a table that was emptied must not make one step long.
        let mut looked = steps * 32;
        while bucket < self.table.num_buckets() {
            if left == 0 || looked == 0 {
                return Some(Cursor { layout: self.layout, bucket: bucket as u32 });
            }
            looked -= 1;
            if let Some(record) = self.table.get_bucket(bucket) {
                left = if visit(record) { left - 1 } else { 0 };
            }
            bucket += 1;
        }
        None
    }

    /// Looks at one bucket for eviction, from the clock's hand. Values read since the last look are
    /// spared once; marks go only if there are too many of them, and wait for nobody that was heard
    /// since then. Returns whether something was freed.
    pub(super) fn evict_at(&mut self, bucket: usize, marks: Option<Mono>) -> bool {
        let Some(record) = self.table.get_bucket_mut(bucket) else {
            return false;
        };
        let hash = key_hash(record.key(), self.seed);
        if record.is_mark() {
            let bits = record.bits();
            let awaited = |since| self.sessions.lack(bits).any(|session| session.heard >= since);
            let goes = marks.is_some_and(|since| !awaited(since));
            if goes {
                let (namespace, bytes) = (record.namespace(), record.key().bytes.to_vec());
                // Only what nobody waits for may be forgotten: who may lack it has to be judged anew.
                self.close_sessions(bits);
                self.note_evicted(&bytes);
                self.forget(KeyRef { namespace, bytes: &bytes }, hash);
            }
            return goes;
        }
        if record.cool() {
            return false;
        }
        let bits = record.bits();
        let (namespace, bytes) = (record.namespace(), record.key().bytes.to_vec());
        let key = KeyRef { namespace, bytes: &bytes };
        self.note_evicted(&bytes);
        if self.is_stable(bits) {
            self.forget(key, hash);
        } else {
            self.demote(key, hash);
        }
        true
    }

    /// Whether there is a dead entry in that bucket: an expired one, or, as is said, a flushed one.
    fn death_at(&self, bucket: usize, context: &Context<'_>) -> Option<bool> {
        let record = self.table.get_bucket(bucket)?;
        let flushed = record.version().value <= context.flushes.of(record.namespace());
        let expired = !record.is_mark() && matches!(judge(record, context), Held::Dead(_));
        (flushed || expired).then_some(flushed)
    }

    /// Whether [`Partition::sweep_at`] would find something.
    pub(super) fn is_dead_at(&self, bucket: usize, context: &Context<'_>) -> bool {
        self.death_at(bucket, context).is_some()
    }

    /// Looks at one bucket for a dead entry: an expired one is forgotten or leaves its mark, a
    /// flushed one goes without raising the floor, because the flush stamp says it all. Returns
    /// whether there was one.
    pub(super) fn sweep_at(&mut self, bucket: usize, context: &Context<'_>) -> bool {
        let Some(flushed) = self.death_at(bucket, context) else {
            return false;
        };
        let record = self.table.get_bucket(bucket).expect("it is dead");
        let key = record.key();
        let hash = key_hash(key, self.seed);
        let bits = record.bits();
        let bytes = key.bytes.to_vec();
        let key = KeyRef { namespace: key.namespace, bytes: &bytes };
        if flushed {
            self.remove(key, hash);
        } else if self.is_stable(bits) {
            self.forget(key, hash);
        } else {
            self.demote(key, hash);
        }
        true
    }

    /// Closes the sessions of all bits but these.
    fn close_sessions(&mut self, but: u8) {
        for bit in (0..super::sessions::SESSIONS_MAX as u8).filter(|bit| but & 1 << bit == 0) {
            self.sessions.close(bit);
            self.end_comparison(bit, false);
        }
        self.keep_tree();
    }

    /// Drops everything: entries, floors, sessions.
    pub fn clear(&mut self) {
        let layout = self.layout.wrapping_add(1);
        let (forgotten, rules) = (self.forgotten, self.rules);
        *self = Partition {
            layout,
            forgotten,
            rules,
            // Who is out of sight stays so, and it is told here only when that changes (swarm seed
            // 3611: what was taken over again was forgotten at once).
            lonely: self.lonely,
            // Counted on: what was looked at before would pass for what comes now.
            #[cfg(feature = "simulation")]
            steps: self.steps,
            #[cfg(feature = "simulation")]
            drops: self.drops + 1,
            #[cfg(feature = "simulation")]
            evicted: std::mem::take(&mut self.evicted),
            ..Partition::new(self.seed)
        };
    }

    /// Number of buckets of the table: the range of [`Partition::evict_at`].
    pub(super) fn buckets(&self) -> usize {
        self.table.num_buckets()
    }

    /// Entries without a value.
    pub fn marks(&self) -> u64 {
        u64::from(self.marks)
    }

    /// Entries, marks included.
    pub fn entries(&self) -> usize {
        self.table.len()
    }

    /// Whether nothing is held, and nothing known to be forgotten.
    pub fn is_blank(&self) -> bool {
        self.table.is_empty() && self.floors.iter().all(|floor| *floor == Stamp::ZERO)
    }

    /// Bytes of memory: records, table, tree, and what is being compared.
    pub fn footprint(&self) -> usize {
        let compared: usize = self.comparisons.iter().map(|c| c.footprint()).sum();
        self.record_bytes + self.table.allocation_size() + self.tree.footprint() + compared
    }

    /// Bytes of memory of marks.
    pub(super) fn mark_footprint(&self) -> usize {
        self.mark_bytes
    }

    /// Whether it may be answered for: this node owns it, and has all of it.
    pub fn serves(&self) -> bool {
        self.role == Role::Ready || (self.role == Role::Boot && !self.rules.boot_not_ready())
    }

    /// What this node is to the partition.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Its sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The hash of a key: the same on all nodes of a cluster.
    pub fn hash(&self, key: KeyRef<'_>) -> u64 {
        key_hash(key, self.seed)
    }
}

/// Which floor a key falls under. The same on every node of a cluster, because the hash is.
fn bucket(hash: u64) -> usize {
    (hash >> 60) as usize
}

fn judge<'a>(record: &'a Record, context: &Context<'_>) -> Held<'a> {
    let parts = record.parts();
    let dead = parts.value.is_none()
        || parts.deadline_ms.is_some_and(|at| at <= context.expiry_ms)
        || parts.version.value <= context.flushes.of(record.namespace());
    if dead { Held::Dead(parts.version) } else { Held::Value(parts) }
}

#[cfg(test)]
mod tests;
