//! The store: partitions behind the locks of their shards, under one byte budget.
//!
//! A shard is the unit of locking and eviction; partition `p` lies in shard `p mod shards`. The
//! budget belongs to the node: a shard over its fair share evicts from itself, otherwise one of a
//! few sampled shards that is over does. Locks are only ever taken one at a time, or tried, so no
//! order of them can block.
//!
//! Eviction here is CLOCK: a hand per shard walks over the buckets, spares what was read since it
//! last came by, and takes the rest. Marks (tombstones, and what eviction leaves of entries that
//! others may not have) are taken only above a tenth of the budget, and counted when they are.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::clock::{Clock, Mono, Stamp};
use super::entry::Namespace;
use super::flushes::Flushes;
use super::operation::{Answer, Operation};
use super::partition::{Context, NotHere, Partition, Role};
use super::record::KeyRef;
use super::rules::Rules;
use crate::placement::Partition as PartitionId;
use crate::placement::slot::{PartitionCount, slot};

/// The hash of a key: chooses its place in the table and its floor.
pub fn key_hash(key: KeyRef<'_>, seed: u64) -> u64 {
    let namespace = u64::from(key.namespace.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    xxh3_64_with_seed(key.bytes, seed ^ namespace)
}

/// While a partition boots, one of so many parts of the memory is left for what is written meanwhile.
const BOOT_PARTS: usize = 32;

/// A peer that says nothing of a partition for so long, in nanoseconds, is silent.
const SILENT_NS: u64 = 10_000_000_000;

/// How a store is made.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Number of partitions: a constant of the cluster.
    pub partitions: PartitionCount,
    /// Number of locks; at most the number of partitions. 64 is enough for any machine we know:
    /// what is done under one takes less than a microsecond.
    pub shards: usize,
    /// Bytes of memory for entries: keys, values, metadata, tables and marks.
    pub memory_bytes_max: usize,
    /// Longest value, in bytes.
    pub value_bytes_max: usize,
    /// Keys the hashes: the same on all nodes of a cluster, unknown outside of it.
    pub seed: u64,
    /// The rules that are kept: all, outside of the simulator.
    pub rules: Rules,
}

/// Counters of a store, since its start.
#[derive(Debug, Default)]
pub struct StoreCounters {
    /// Values evicted for want of memory.
    pub evicted: AtomicU64,
    /// Marks forgotten for want of memory.
    pub marks_evicted: AtomicU64,
    /// Reads that found a value here.
    pub hits: AtomicU64,
    /// Reads that found none here.
    pub misses: AtomicU64,
}

/// The entries of one node.
#[derive(Debug)]
pub struct Store {
    options: StoreOptions,
    shards: Vec<Mutex<Shard>>,
    /// Sum of the shards' footprints. Signed, because threads add their differences in any order.
    footprint: AtomicI64,
    /// Part of it: places of what is arriving.
    reserved: AtomicI64,
    late: AtomicBool,
    counters: StoreCounters,
}

#[derive(Debug)]
struct Shard {
    partitions: Vec<Partition>,
    flushes: Flushes,
    footprint: usize,
    mark_footprint: usize,
    hand: Hand,
    sweeper: Hand,
}

/// Where a walk over the buckets of a shard's partitions stands.
#[derive(Clone, Copy, Debug, Default)]
struct Hand {
    partition: usize,
    bucket: usize,
}

impl Store {
    /// An empty store.
    pub fn new(options: StoreOptions) -> Store {
        let partitions = options.partitions.get() as usize;
        let shards = options.shards.clamp(1, partitions);
        let partition = || Partition::new(options.seed).under(options.rules);
        let shard = |index: usize| {
            let count = (partitions - index).div_ceil(shards);
            Mutex::new(Shard {
                partitions: (0..count).map(|_| partition()).collect(),
                flushes: Flushes::default(),
                footprint: 0,
                mark_footprint: 0,
                hand: Hand::default(),
                sweeper: Hand::default(),
            })
        };
        Store {
            options,
            shards: (0..shards).map(shard).collect(),
            footprint: AtomicI64::new(0),
            reserved: AtomicI64::new(0),
            late: AtomicBool::new(false),
            counters: StoreCounters::default(),
        }
    }

    /// The options.
    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// The rules that are kept.
    pub fn rules(&self) -> &Rules {
        &self.options.rules
    }

    /// The counters.
    pub fn counters(&self) -> &StoreCounters {
        &self.counters
    }

    /// The partition of a key.
    pub fn partition_of(&self, key: &[u8]) -> PartitionId {
        self.options.partitions.of_slot(slot(key))
    }

    /// Says whether this node may have missed something (it was not running for a while), so that
    /// no local answer is given until it knows better.
    pub fn set_late(&self, late: bool) {
        self.late.store(late, Ordering::Release);
    }

    /// Whether local answers are withheld.
    pub fn is_late(&self) -> bool {
        self.late.load(Ordering::Acquire)
    }

    /// A local operation: one atomic step on the caller's thread. `reply` is called with the answer
    /// under the lock.
    pub fn apply<R>(
        &self,
        key: KeyRef<'_>,
        operation: &Operation<&[u8]>,
        clock: &Clock,
        now: Mono,
        reply: impl FnOnce(Answer<&[u8]>) -> R,
    ) -> Result<R, NotHere> {
        if self.is_late() {
            return Err(NotHere::Late);
        }
        let reads = matches!(operation, Operation::Get);
        let step = |partition: &mut Partition, context: &Context<'_>| {
            let mut hit = false;
            let outcome = partition.apply(key, operation, context, |answer| {
                hit = matches!(answer, Answer::Found { .. });
                reply(answer)
            });
            if reads && outcome.is_ok() {
                let counter = if hit { &self.counters.hits } else { &self.counters.misses };
                counter.fetch_add(1, Ordering::Relaxed);
            }
            outcome
        };
        let id = self.partition_of(key.bytes);
        if reads { self.look(id, clock, now, step) } else { self.with(id, clock, now, step) }
    }

    /// Runs one step on a partition, under its shard's lock, and pays for what it added.
    pub fn with<R>(
        &self,
        id: PartitionId,
        clock: &Clock,
        now: Mono,
        step: impl FnOnce(&mut Partition, &Context<'_>) -> R,
    ) -> R {
        let mut shard = self.shard_of(id);
        let shard = &mut *shard;
        let before = shard.footprint as i64;
        let result = {
            let context = self.context(&shard.flushes, clock, now);
            let partition = &mut shard.partitions[id.0 as usize / self.shards.len()];
            let (footprint, marks) = (partition.footprint(), partition.mark_footprint());
            partition.note_step();
            let result = step(partition, &context);
            shard.footprint = shard.footprint - footprint + partition.footprint();
            shard.mark_footprint = shard.mark_footprint - marks + partition.mark_footprint();
            result
        };
        let change = shard.footprint as i64 - before;
        if change > 0 {
            let total = self.footprint.fetch_add(change, Ordering::Relaxed) + change;
            if total > self.options.memory_bytes_max as i64 {
                self.make_room(shard, now);
            }
        } else if change < 0 {
            self.footprint.fetch_add(change, Ordering::Relaxed);
        }
        result
    }

    /// Looks at a partition, under its shard's lock. Nothing was added, so there is nothing to pay.
    pub fn see<R>(
        &self,
        id: PartitionId,
        clock: &Clock,
        now: Mono,
        look: impl FnOnce(&Partition, &Context<'_>) -> R,
    ) -> R {
        self.look(id, clock, now, |partition, context| look(partition, context))
    }

    /// Runs a step that frees and takes no memory: a read.
    fn look<R>(
        &self,
        id: PartitionId,
        clock: &Clock,
        now: Mono,
        step: impl FnOnce(&mut Partition, &Context<'_>) -> R,
    ) -> R {
        let mut shard = self.shard_of(id);
        let shard = &mut *shard;
        let context = self.context(&shard.flushes, clock, now);
        step(&mut shard.partitions[id.0 as usize / self.shards.len()], &context)
    }

    /// What this node is to each partition.
    #[cfg(feature = "simulation")]
    pub fn roles(&self, mut told: impl FnMut(PartitionId, Role)) {
        for (first, shard) in self.shards.iter().enumerate() {
            for (index, partition) in shard.lock().partitions.iter().enumerate() {
                told(PartitionId((first + index * self.shards.len()) as u16), partition.role);
            }
        }
    }

    /// What went for want of memory since this was last asked.
    #[cfg(feature = "simulation")]
    pub fn take_evicted(&self, mut told: impl FnMut(PartitionId, &[u8])) {
        for (first, shard) in self.shards.iter().enumerate() {
            for (index, partition) in shard.lock().partitions.iter_mut().enumerate() {
                let id = PartitionId((first + index * self.shards.len()) as u16);
                partition.evicted.drain(..).for_each(|key| told(id, &key));
            }
        }
    }

    /// Says whether a partition has only just been found to have no other holder. What nobody waits
    /// for is forgotten when it no longer is.
    pub fn set_lonely(&self, id: PartitionId, lonely: bool) {
        self.change(id, |partition| {
            partition.lonely = lonely;
            if !lonely {
                partition.purge();
            }
        });
    }

    /// A change that may free memory, and needs none.
    fn change(&self, id: PartitionId, change: impl FnOnce(&mut Partition)) {
        let mut shard = self.shard_of(id);
        let shard = &mut *shard;
        let partition = &mut shard.partitions[id.0 as usize / self.shards.len()];
        let (footprint, marks) = (partition.footprint(), partition.mark_footprint());
        partition.note_step();
        change(partition);
        let after = partition.footprint();
        shard.footprint = shard.footprint - footprint + after;
        shard.mark_footprint = shard.mark_footprint - marks + partition.mark_footprint();
        self.footprint.fetch_sub(footprint as i64 - after as i64, Ordering::Relaxed);
    }

    /// Says whether this node is the only one that can hold a partition.
    pub fn set_sole(&self, id: PartitionId, sole: bool) {
        let mut shard = self.shard_of(id);
        shard.partitions[id.0 as usize / self.shards.len()].sole = sole;
    }

    /// Sets role and surroundings of a partition, and until when a miss in it is in doubt. Whoever
    /// becomes ready forgets what nobody waits for.
    pub fn set_role(&self, id: PartitionId, role: Role, sole: bool, unsettled_until: Mono) {
        self.change(id, |partition| {
            let ready = role == Role::Ready && partition.role != Role::Ready;
            partition.role = role;
            partition.sole = sole;
            partition.unsettled_until = partition.unsettled_until.max(unsettled_until);
            if ready {
                partition.purge();
            }
        });
    }

    /// From now until then, a miss in that partition is in doubt.
    pub fn unsettle(&self, id: PartitionId, until: Mono) {
        let mut shard = self.shard_of(id);
        let partition = &mut shard.partitions[id.0 as usize / self.shards.len()];
        partition.unsettled_until = partition.unsettled_until.max(until);
    }

    /// Takes over flush stamps. Returns whether any was news.
    pub fn flush(&self, flushes: &Flushes) -> bool {
        let mut news = false;
        for shard in &self.shards {
            let mut shard = shard.lock();
            let before = shard.flushes.clone();
            if !shard.flushes.merge(flushes) {
                continue;
            }
            news = true;
            let Shard { partitions, flushes, sweeper, .. } = &mut *shard;
            partitions.iter_mut().for_each(|partition| partition.note_flush(&before, flushes));
            *sweeper = Hand::default();
        }
        news
    }

    /// Flushes a namespace, or all, up to that stamp.
    pub fn flush_up_to(&self, namespace: Option<Namespace>, stamp: Stamp) -> bool {
        let mut flushes = Flushes::default();
        flushes.raise(namespace, stamp);
        self.flush(&flushes)
    }

    /// The flush stamps.
    pub fn flushes(&self) -> Flushes {
        self.shards[0].lock().flushes.clone()
    }

    /// Bytes of memory in use.
    pub fn footprint(&self) -> usize {
        self.footprint.load(Ordering::Relaxed).max(0) as usize
    }

    /// Makes a place for so many bytes that are about to arrive, and counts them as in use. The
    /// caller bounds how many that are.
    pub fn reserve(&self, bytes: usize) {
        let bytes = bytes as i64;
        self.reserved.fetch_add(bytes, Ordering::Relaxed);
        let total = self.footprint.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let budget = self.options.memory_bytes_max as i64;
        if total <= budget {
            return;
        }
        // Entries have to do with less; each shard above its share of that gives up what is more.
        let share = self.share();
        for shard in &self.shards {
            // Nobody is taken for silent, for want of a clock.
            self.evict(&mut shard.lock(), budget, share, Mono(0));
            if self.footprint.load(Ordering::Relaxed) <= budget {
                return;
            }
        }
    }

    /// Gives such a place back.
    pub fn release(&self, bytes: usize) {
        self.reserved.fetch_sub(bytes as i64, Ordering::Relaxed);
        self.footprint.fetch_sub(bytes as i64, Ordering::Relaxed);
    }

    /// Bytes of places of what is arriving.
    pub fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed).max(0) as usize
    }

    /// A shard's fair share of what is left for entries.
    fn share(&self) -> usize {
        self.options.memory_bytes_max.saturating_sub(self.reserved()) / self.shards.len()
    }

    /// Looks at about `buckets` buckets for expired and flushed entries, going on where the last
    /// call stopped. Meant to be called often with little. Returns how many were dead.
    pub fn sweep(&self, shard: usize, buckets: usize, clock: &Clock, now: Mono) -> usize {
        let mut dead = 0;
        let mut shard = self.shards[shard % self.shards.len()].lock();
        let shard = &mut *shard;
        let before = shard.footprint as i64;
        let expiry_ms = clock.expiry_ms(now);
        let context = Context { expiry_ms, ..self.context(&shard.flushes, clock, now) };
        let partitions = &mut shard.partitions;
        // Once around is enough: a small store must not cost what a large one does.
        let all = partitions.iter().map(Partition::buckets).sum();
        for _ in 0..buckets.min(all) {
            let Some((partition, bucket)) = shard.sweeper.next(partitions) else {
                break;
            };
            let partition = &mut partitions[partition];
            if partition.is_dead_at(bucket, &context) {
                let (footprint, marks) = (partition.footprint(), partition.mark_footprint());
                partition.note_step();
                dead += usize::from(partition.sweep_at(bucket, &context));
                shard.footprint = shard.footprint - footprint + partition.footprint();
                shard.mark_footprint = shard.mark_footprint - marks + partition.mark_footprint();
            }
            if bucket + 1 == partition.buckets() {
                partition.note_swept();
            }
        }
        self.footprint.fetch_add(shard.footprint as i64 - before, Ordering::Relaxed);
        dead
    }

    /// Number of shards.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    fn shard_of(&self, id: PartitionId) -> MutexGuard<'_, Shard> {
        self.shards[id.0 as usize % self.shards.len()].lock()
    }

    fn context<'a>(&self, flushes: &'a Flushes, clock: &'a Clock, now: Mono) -> Context<'a> {
        Context {
            clock,
            now,
            expiry_ms: if self.rules().deadlines() { clock.expiry_ms(now) } else { 0 },
            flushes,
            value_bytes_max: self.options.value_bytes_max,
            full: self.footprint() > self.options.memory_bytes_max / BOOT_PARTS * (BOOT_PARTS - 1),
        }
    }

    /// Evicts until the node is within its budget: from the shard at hand if it is over its fair
    /// share, else from another that is and whose lock is free, else from the one at hand anyway.
    fn make_room(&self, own: &mut Shard, now: Mono) {
        let budget = self.options.memory_bytes_max as i64;
        let share = self.share();
        if own.footprint <= share {
            for shard in &self.shards {
                let Some(mut other) = shard.try_lock() else {
                    continue;
                };
                if other.footprint > share {
                    self.evict(&mut other, budget, 0, now);
                    if self.footprint.load(Ordering::Relaxed) <= budget {
                        return;
                    }
                }
            }
        }
        self.evict(own, budget, 0, now);
    }

    /// Until all are within the budget, or this one has no more than `least` bytes.
    fn evict(&self, shard: &mut Shard, budget: i64, least: usize, now: Mono) {
        let share = self.options.memory_bytes_max / self.shards.len();
        // Three times around: the first two may only take away the marks of use.
        let mut looks: usize = 3 * shard.partitions.iter().map(Partition::buckets).sum::<usize>();
        while self.footprint.load(Ordering::Relaxed) > budget
            && shard.footprint > least
            && looks > 0
        {
            looks -= 1;
            let Some((index, bucket)) = shard.hand.next(&shard.partitions) else {
                return;
            };
            let partition = &mut shard.partitions[index];
            // Marks that wait for those who answer go only if nothing else is left to go: whoever
            // lacks them would be judged, and might drop what it has. What a booting partition has
            // to give up leaves marks until it is ready.
            let boots = partition.role() == Role::Boot;
            let marks = match shard.mark_footprint {
                bytes if bytes > share / 2 || shard.footprint == 0 => Some(Mono(u64::MAX)),
                bytes if bytes > share / 10 && !boots => {
                    Some(Mono(now.0.saturating_sub(SILENT_NS)))
                }
                _ => None,
            };
            let (footprint, mark_bytes) = (partition.footprint(), partition.mark_footprint());
            let count = partition.marks();
            partition.note_step();
            if !partition.evict_at(bucket, marks) {
                continue;
            }
            let counter = match partition.marks() < count {
                true => &self.counters.marks_evicted,
                false => &self.counters.evicted,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            let after = partition.footprint();
            let freed = footprint as i64 - after as i64;
            shard.footprint = shard.footprint - footprint + after;
            shard.mark_footprint = shard.mark_footprint - mark_bytes + partition.mark_footprint();
            self.footprint.fetch_sub(freed, Ordering::Relaxed);
        }
    }
}

impl Hand {
    /// The next bucket, going round over all partitions; `None` if there is not a single one.
    fn next(&mut self, partitions: &[Partition]) -> Option<(usize, usize)> {
        for _ in 0..=partitions.len() {
            if self.partition >= partitions.len() {
                self.partition = 0;
            }
            if self.bucket < partitions[self.partition].buckets() {
                self.bucket += 1;
                return Some((self.partition, self.bucket - 1));
            }
            self.partition += 1;
            self.bucket = 0;
        }
        None
    }
}
