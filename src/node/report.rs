//! What a node tells about itself: members, status, and why a key is where it is.

use super::Node;
use super::event::{Explanation, MemberView, StatusValue};
#[cfg(feature = "simulation")]
pub use super::sessions::SessionStats;
use crate::placement::slot::slot;
use crate::store::{Held, Key, Now, Role, Version, key_ref};

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
        let mut roles = [0u64; 4];
        let (mut keys, mut marks) = (0, 0);
        for partition in self.store.options().partitions.iter() {
            self.store.see(partition, &self.clock, now.mono, |kept, _| {
                roles[kept.role() as usize] += 1;
                keys += kept.values(None);
                marks += kept.marks();
            });
        }
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
            ("partitions_ready", Number(roles[Role::Ready as usize])),
            ("partitions_booting", Number(roles[Role::Boot as usize])),
            ("partitions_old", Number(roles[Role::Old as usize])),
            ("keys", Number(keys)),
            ("marks", Number(marks)),
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
            ("values_condemned", Number(sessions.condemned)),
            ("sessions_opened", Number(sessions.opened)),
            ("sessions_renewed", Number(sessions.renewed)),
            ("partitions_dropped", Number(sessions.dropped)),
            ("stamps_refused", Number(self.replica_stats.refused_ahead)),
            ("writes_below_floor", Number(self.replica_stats.refused_below)),
            ("frames_in", Number(self.stats.frames_in)),
            ("datagrams_in", Number(self.stats.datagrams_in)),
            ("frames_unknown", Number(self.stats.unknown_frames)),
            ("frames_malformed", Number(self.stats.malformed_frames)),
            ("packets_refused", Number(self.membership.packets_refused)),
            ("clocks_refused", Number(self.timekeeping.refused)),
        ]
    }

    pub(super) fn explain(&self, key: &Key, now: Now) -> Explanation {
        let partition = self.store.partition_of(&key.bytes);
        let owners = self.ring.owners(partition).iter();
        let owners = owners.map(|id| (*id, self.membership.name(*id).to_owned())).collect();
        self.store.see(partition, &self.clock, now.mono, |kept, context| {
            let key_ref = key_ref(key);
            let (held, version, deadline_ms) = match kept.look(key_ref, context) {
                Held::Value(parts) => ("value", parts.version, parts.deadline_ms),
                Held::Dead(version) => ("mark", version, None),
                Held::Nothing => ("nothing", Version::ZERO, None),
            };
            Explanation {
                slot: slot(&key.bytes),
                partition,
                owners,
                role: kept.role(),
                held,
                version,
                deadline_ms,
                floor: kept.floor(key_ref, context),
                doubted: kept.doubts(key_ref, context.now),
            }
        })
    }
}
