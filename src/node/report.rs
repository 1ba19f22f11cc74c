//! What a node tells about itself: members, status, and why a key is where it is.

use super::Node;
use super::event::{MemberView, StatusValue};
use super::explanation::{Explanation, Holder, Holding};
#[cfg(feature = "simulation")]
pub use super::sessions::SessionStats;
use crate::placement::NodeId;
use crate::placement::slot::slot;
use crate::store::{Key, Now, Role, Stamp, key_ref};

/// A turn that takes longer is counted as slow, in microseconds: no input should.
const SLOW_US: u64 = 1_000;

/// How long the queues of a node are, for whoever checks their bounds.
#[cfg(feature = "simulation")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Queues {
    /// Operations under way, those of other nodes that this one decides included.
    pub operations: usize,
    /// Timers set for them, those that no longer count included.
    pub timers: usize,
    /// Keys that were written through it lately.
    pub own_writes: usize,
    /// Talks with something to say, or waiting for a reply.
    pub exchanges: usize,
    /// Partitions held without owning them.
    pub handoffs: usize,
}

/// What is counted over all partitions for a status.
#[derive(Default)]
struct Tally {
    roles: [u64; 4],
    keys: u64,
    marks: u64,
    /// Entries that somebody may not cover yet, at most.
    unstable: u64,
    /// The newest of all floors.
    floor: Stamp,
    /// Sessions by state: nothing is left to be said; something is; the peer cannot be reached.
    in_step: u64,
    behind: u64,
    silent: u64,
    /// Partitions owned of which not every owner is ready and within reach.
    under_replicated: u64,
}

impl Node {
    /// How long the queues are now.
    #[cfg(feature = "simulation")]
    pub fn queues(&self) -> Queues {
        Queues {
            operations: self.coordinator.in_flight(),
            timers: self.coordinator.timers(),
            own_writes: self.coordinator.own_writes.len(),
            exchanges: self.sessions.busy(),
            handoffs: self.sessions.handing_off(),
        }
    }

    /// What was exchanged so far.
    #[cfg(feature = "simulation")]
    pub fn exchanged(&self) -> SessionStats {
        self.sessions.stats
    }

    pub(super) fn members_view(&self) -> Vec<MemberView> {
        let mut views = self.membership.views();
        for view in views.iter_mut().filter(|view| !view.own) {
            view.responsive = self.responsiveness.is_responsive(view.id);
            view.rtt_us = self.responsiveness.rtt_us(view.id);
        }
        views
    }

    pub(super) fn status(&self, now: Now) -> Vec<(&'static str, StatusValue)> {
        use StatusValue::{Number, Text};
        let identity = self.identity();
        let tally = self.tally(now);
        let physical_ms = self.clock.physical_ms(now.mono);
        let floor_age = match tally.floor {
            Stamp::ZERO => Text("nothing forgotten".to_owned()),
            floor => Number(physical_ms.saturating_sub(floor.hlc.ms())),
        };
        let load = |counter: &std::sync::atomic::AtomicU64| {
            Number(counter.load(std::sync::atomic::Ordering::Relaxed))
        };
        let counters = self.store.counters();
        let coordinator = &self.coordinator.stats;
        let sessions = &self.sessions.stats;
        let state = if self.is_ready() { "ready" } else { "booting" };
        vec![
            ("node", Text(identity.id.to_string())),
            ("name", Text(self.options.name.clone())),
            ("address", Text(identity.addr.to_string())),
            ("generation", Number(identity.generation.0)),
            ("state", Text(state.to_owned())),
            ("members", Number(self.membership.present().len() as u64 + 1)),
            ("reachable", Number(self.reachable.len() as u64)),
            ("ring", Text(format!("{:016x}", self.ring.id()))),
            ("partitions_ready", Number(tally.roles[Role::Ready as usize])),
            ("partitions_booting", Number(tally.roles[Role::Boot as usize])),
            ("partitions_old", Number(tally.roles[Role::Old as usize])),
            ("partitions_under_replicated", Number(tally.under_replicated)),
            ("keys", Number(tally.keys)),
            ("marks", Number(tally.marks)),
            ("entries_unstable", Number(tally.unstable)),
            ("floor_age_ms", floor_age),
            ("memory_bytes", Number(self.store.footprint() as u64)),
            ("memory_bytes_max", Number(self.store.options().memory_bytes_max as u64)),
            ("evicted", load(&counters.evicted)),
            ("marks_evicted", load(&counters.marks_evicted)),
            ("local_hits", load(&counters.hits)),
            ("local_misses", load(&counters.misses)),
            ("operations_in_flight", Number(self.coordinator.in_flight() as u64)),
            ("writes", Number(coordinator.writes)),
            ("remote_reads", Number(coordinator.reads)),
            ("updates", Number(coordinator.updates)),
            ("reads_hedged", Number(coordinator.hedged)),
            ("reads_barred", Number(coordinator.barred)),
            ("writes_degraded", Number(coordinator.degraded)),
            ("writes_restamped", Number(coordinator.restamped)),
            ("operations_unknown", Number(coordinator.unknown)),
            ("reads_unanswered", Number(coordinator.unanswered)),
            ("operations_refused", Number(coordinator.busy)),
            ("deciders_passed_over", Number(coordinator.passed_over)),
            ("own_writes_dropped", Number(self.coordinator.own_writes.dropped)),
            ("stalls", Number(self.lateness.stalls)),
            ("partitions_missed", Number(self.lateness.missed())),
            ("boots", Number(sessions.boots)),
            ("exchanges_under_way", Number(self.sessions.busy() as u64)),
            ("handoffs", Number(self.sessions.handing_off() as u64)),
            ("headers_offered", Number(sessions.offered)),
            ("partitions_compared", Number(sessions.compared)),
            ("entries_equal", Number(sessions.equal)),
            ("values_wanted", Number(sessions.wanted)),
            ("repair_bytes", Number(sessions.repair_bytes)),
            ("exchange_bytes", Number(self.outbox.exchange_bytes)),
            ("values_repaired", Number(sessions.repaired)),
            ("values_without_room", Number(sessions.no_room)),
            ("values_condemned", Number(sessions.condemned)),
            ("values_vouched", Number(sessions.vouched)),
            ("sessions_in_step", Number(tally.in_step)),
            ("sessions_behind", Number(tally.behind)),
            ("sessions_silent", Number(tally.silent)),
            ("sessions_opened", Number(sessions.opened)),
            ("sessions_renewed", Number(sessions.renewed)),
            ("partitions_dropped", Number(sessions.dropped)),
            ("audits", Number(sessions.audited)),
            ("audit_repairs", Number(sessions.audit_repaired)),
            ("stamps_refused", Number(self.replica_stats.refused_ahead)),
            ("writes_below_floor", Number(self.replica_stats.refused_below)),
            ("frames_in", Number(self.stats.frames_in)),
            ("datagrams_in", Number(self.stats.datagrams_in)),
            ("frames_unknown", Number(self.stats.unknown_frames)),
            ("frames_malformed", Number(self.stats.malformed_frames)),
            ("turns_slow", Number(self.stats.turns_slow)),
            ("turn_us_max", Number(self.stats.turn_us_max)),
            ("packets_refused", Number(self.membership.packets_refused)),
            ("clocks_refused", Number(self.timekeeping.refused)),
        ]
    }

    /// The last turn took so long, in microseconds. While one lasts, nobody else has one.
    pub fn note_turn(&mut self, us: u64) {
        self.stats.turns_slow += u64::from(us > SLOW_US);
        self.stats.turn_us_max = self.stats.turn_us_max.max(us);
    }

    /// Counts over all partitions.
    fn tally(&self, now: Now) -> Tally {
        let mut tally = Tally::default();
        for partition in self.store.options().partitions.iter() {
            let owners = self.ring.owners(partition);
            self.store.see(partition, &self.clock, now.mono, |kept, _| {
                tally.roles[kept.role() as usize] += 1;
                tally.keys += kept.values(None);
                tally.marks += kept.marks();
                tally.unstable += kept.unstable_max();
                let floors = kept.floors().iter().copied();
                tally.floor = floors.fold(tally.floor, Stamp::max);
                let mut ready = usize::from(kept.role() == Role::Ready);
                for (_, session) in kept.sessions().iter() {
                    let here = self.reachable.contains(&session.peer);
                    match (here, session.is_in_step()) {
                        (false, _) => tally.silent += 1,
                        (true, true) => tally.in_step += 1,
                        (true, false) => tally.behind += 1,
                    }
                    let owner = session.role == Role::Ready && owners.contains(&session.peer);
                    ready += usize::from(here && owner);
                }
                let owns = owners.contains(&self.identity().id);
                tally.under_replicated += u64::from(owns && ready < owners.len());
            });
        }
        tally
    }

    /// Where a key belongs, and what this node holds of it; of other holders, who they are.
    pub(super) fn explain(&self, key: &Key, now: Now) -> Explanation {
        let partition = self.store.partition_of(&key.bytes);
        let owners = self.ring.owners(partition).to_vec();
        let own = self.identity().id;
        let holding = self.store.see(partition, &self.clock, now.mono, |kept, context| {
            Holding::of(key_ref(key), kept, context)
        });
        let sessions = holding.sessions.iter().map(|session| session.peer);
        let others: Vec<NodeId> = owners.iter().copied().chain(sessions).collect();
        let mut holders: Vec<Holder> = Vec::new();
        for id in std::iter::once(own).chain(others) {
            if holders.iter().all(|holder| holder.id != id) {
                let name = match id == own {
                    true => self.options.name.clone(),
                    false => self.membership.name(id).to_owned(),
                };
                holders.push(Holder { id, name, holding: None });
            }
        }
        holders[0].holding = Some(holding);
        Explanation { slot: slot(&key.bytes), partition, owners, holders }
    }
}
