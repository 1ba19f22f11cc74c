//! What is looked at every so often while the world runs.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use chickadee::config::ARRIVING_PARTS;
use chickadee::node::report::{Queues, SessionStats};
use chickadee::store::{Parts, Version, partition::Cursor};

use super::level::{Inside, Level};
use super::{Event, Process, World};
use crate::checkers::bounds::{self, Bounds};
use crate::checkers::{
    Violation, audit, condemned, covered, held_places, learnt, own_stamps, rings, says_ready, tree,
};
use crate::samples::Sample;
use crate::time::Time;

/// So long after a write was acknowledged, in milliseconds, all owners have been told of it.
const TOLD_MS: u64 = 1_000;

/// Time between two looks, in milliseconds, in a small cluster.
const EVERY_MS: u64 = 100;
/// A look goes over every partition of every host. Of so many at most it is small; a larger cluster
/// is looked at less often in proportion, so that looking does not become all that a run does.
const SMALL: usize = 4_096;

/// Of so many looks, one goes over what nodes believe of each other.
const COVERED_EVERY: u64 = 3;
/// Of so many looks, one asks nodes whether they are ready.
const READY_EVERY: u64 = 10;
/// What a store may have beyond its limit at any moment, in bytes: one entry, and tables that grow by
/// doubling.
const FOOTPRINT_SLACK: usize = 16 << 10;
/// Time within which every operation has left every queue, in milliseconds: its deadline, that of
/// whoever decides it for another node, and some.
const OPERATION_MS_MAX: u64 = 2_500;

impl<L: Level> World<L> {
    /// The next look, in a while.
    pub(super) fn schedule_watch(&mut self) {
        self.at(self.now.plus_ms(self.looks_every_ms()), Event::Watch);
    }

    /// Time between two looks at everything, in milliseconds.
    pub(crate) fn looks_every_ms(&self) -> u64 {
        let looked_at = self.hosts.len() * usize::from(self.plan.options.partitions);
        EVERY_MS * looked_at.div_ceil(SMALL) as u64
    }

    pub(super) fn watch(&mut self) {
        self.schedule_watch();
        for index in self.history.open.clone() {
            self.assess(index);
        }
        self.watch_roles();
        self.watch_replicas();
        self.watch_evictions();
        self.watch_bounds();
        self.watch_clocks();
        self.watch_rings();
        self.complain(held_places::judge(self));
        self.complain(learnt::judge(self));
        // It goes over everything, for each pair.
        let look = self.now.0 / Time::ms(self.looks_every_ms()).0;
        if look.is_multiple_of(COVERED_EVERY) {
            self.complain(covered::judge(self));
        }
        if look.is_multiple_of(READY_EVERY) {
            let violation = says_ready::judge(self);
            self.complain(violation);
        }
        if self.samples.is_some() {
            let sample = Sample::of(self);
            self.samples.get_or_insert_default().push(sample);
        }
    }

    /// Judges the rings if one of them has changed.
    fn watch_rings(&mut self) {
        let rings = || {
            let hosts = self.hosts.iter().enumerate();
            hosts.filter_map(|(host, h)| Some((host, h.process.as_ref()?.inside.ring())))
        };
        let ids: Vec<_> = rings().map(|(host, ring)| (host, ring.id())).collect();
        if ids == self.rings {
            return;
        }
        let replicas = usize::from(self.plan.options.replicas);
        let violation = rings::judge(self.now, replicas, rings());
        self.rings = ids;
        self.complain(violation);
    }

    /// Takes note of a broken invariant, if none was broken before.
    pub(super) fn complain(&mut self, violation: Option<Violation>) {
        if self.violation.is_none() {
            self.violation = violation;
        }
    }

    /// Compares what every replica holds with what it was seen to hold.
    pub(super) fn watch_replicas(&mut self) {
        let now = self.now;
        let mut replicas = std::mem::take(&mut self.replicas);
        let mut contents = std::mem::take(&mut self.contents);
        let mut complaints = Vec::new();
        for (index, host) in self.hosts.iter_mut().enumerate() {
            let Some(process) = &mut host.process else {
                continue;
            };
            let history = &mut self.history;
            let mut seen = replicas.look(index, host.life);
            let count = process.store.options().partitions;
            let mono = host.clocks.read(now).mono;
            process.looked_at.resize(usize::from(count.get()), None);
            for partition in count.iter() {
                let looked_at = &mut process.looked_at[usize::from(partition.0)];
                process.store.see(partition, &process.clock, mono, |kept, _| {
                    let look = (kept.steps(), kept.drops());
                    let before = looked_at.replace(look);
                    if before == Some(look) {
                        // It is as it was, and was right then.
                        return;
                    }
                    let dropped = before.is_some_and(|(_, drops)| drops != kept.drops());
                    let none = kept.role() == chickadee::store::Role::None;
                    if none || dropped {
                        // Perhaps it was taken over again since (swarm seed 5112).
                        seen.dropped(partition);
                    }
                    if none {
                        return;
                    }
                    complaints.extend(tree::judge(now, index, partition, kept));
                    let mut cursor = Some(Cursor::default());
                    while let Some(from) = cursor {
                        cursor = kept.walk(from, usize::MAX / 64, |key, parts| {
                            if seen.holds(partition, key.bytes, parts.version) {
                                complaints.extend(contents.see(now, index, key.bytes, parts));
                                if let Some(value) = parts.value {
                                    let key = String::from_utf8_lossy(key.bytes);
                                    let value = String::from_utf8_lossy(value);
                                    history.saw(&key, &value, parts.version);
                                    history.ends(&key, &value, parts.deadline_ms);
                                }
                            }
                            let stamp = parts.version.value;
                            if parts.value.is_some() {
                                seen.lives(partition, key.bytes, stamp);
                            } else if kept.is_condemned(key) {
                                seen.condemned(partition, key.bytes, stamp);
                            }
                            true
                        });
                    }
                });
            }
            complaints.extend(seen.verdict(now));
        }
        self.replicas = replicas;
        self.contents = contents;
        self.complain(complaints.into_iter().next());
    }

    /// Takes note of who does not take what is acknowledged now, and so holds nothing; and once more
    /// when all have been told.
    pub(super) fn note_refusals(&mut self, key: &str, version: Version) {
        self.see_refusals(key, version);
        self.history.spreading.push_back((self.now, key.to_owned(), version));
    }

    fn see_refusals(&mut self, key: &str, version: Version) {
        for host in 0..self.hosts.len() {
            if self.covered(host, key) >= version.value && self.held(host, key).is_none() {
                self.history.refused.insert((host, key.to_owned()));
            }
        }
    }

    /// Takes note of what nodes had to evict, and of what they condemned, since the last look.
    pub(super) fn watch_evictions(&mut self) {
        let told = |(at, ..): &(Time, String, Version)| at.plus_ms(TOLD_MS) <= self.now;
        let due = self.history.spreading.iter().take_while(|write| told(write)).count();
        for (_, key, version) in self.history.spreading.drain(..due).collect::<Vec<_>>() {
            self.see_refusals(&key, version);
        }
        for host in 0..self.hosts.len() {
            let Some(process) = self.hosts[host].process.as_mut() else {
                continue;
            };
            let counters = process.store.counters();
            let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let stats = process.inside.exchanged();
            let SessionStats { condemned, renewed, audit_repaired, no_room, .. } = stats;
            // What there was no room for while it booted is as good as evicted.
            let evicted = load(&counters.evicted) + load(&counters.marks_evicted) + no_room;
            let evicts = std::mem::replace(&mut process.evicted, evicted) != evicted;
            self.history.doubted |= renewed > 0;
            let condemns = std::mem::replace(&mut process.condemned, condemned) != condemned;
            self.complain(audit::judge(self.now, host, audit_repaired));
            if condemns {
                self.complain(condemned::judge(self, host));
            }
            if evicts {
                self.note_evictions(host);
            }
            if condemns {
                for key in self.history.keys.clone() {
                    if self.has_condemned(host, &key) {
                        self.history.dropped(&key, self.now);
                    }
                }
            }
        }
    }

    /// Takes note of what a node had to evict. The floors that stand for that stand for older values
    /// of other keys, too, which are not taken any more.
    fn note_evictions(&mut self, host: usize) {
        let Some(process) = self.process(host) else { return };
        let (mut evicted, mut partitions) = (Vec::new(), BTreeSet::new());
        process.store.take_evicted(|partition, key| {
            evicted.push(String::from_utf8_lossy(key).into_owned());
            partitions.insert(partition);
        });
        let older = |key: &&String| {
            partitions.contains(&process.store.partition_of(key.as_bytes()))
                && !matches!(self.held(host, key), Some((_, Some(_))))
                && self.newest_alive(key).is_none_or(|alive| alive <= self.covered(host, key))
        };
        evicted.extend(self.history.keys.iter().filter(older).cloned());
        for key in evicted {
            self.history.evicted(&key, self.now);
        }
    }

    fn watch_clocks(&mut self) {
        let runs = |host: &usize| self.runs(*host);
        let violation = (0..self.hosts.len()).filter(runs).find_map(|host| {
            let process = self.process(host).filter(|process| process.open)?;
            let mono = self.hosts[host].clocks.read(self.now).mono;
            let (latest, physical) = (process.clock.latest().ms(), process.clock.physical_ms(mono));
            own_stamps::judge(self.now, host, latest, physical)
        });
        self.complain(violation);
    }

    fn watch_bounds(&mut self) {
        let options = &self.plan.options;
        let longest_ms = OPERATION_MS_MAX + options.longest_ms();
        let since = Time(self.now.0.saturating_sub(Time::ms(longest_ms).0));
        let records = &self.history.records;
        let recent = records.len() - records.partition_point(|record| record.start < since);
        // Those that the harness has open wait longer where a node is stopped.
        let recent = recent + self.history.open.len();
        let partitions = usize::from(options.partitions);
        let most = Bounds {
            footprint: options.memory_bytes_max + FOOTPRINT_SLACK,
            arriving: options.memory_bytes_max / ARRIVING_PARTS,
            // All clients, whoever calls by hand, and the readers at the end.
            waiting: options.clients + 1 + self.history.keys.len(),
            queues: Queues {
                operations: recent,
                timers: recent,
                own_writes: self.history.keys.len(),
                exchanges: 2 * partitions * self.hosts.len(),
                handoffs: partitions,
            },
        };
        let mut complaints = Vec::new();
        for (host, process) in self.hosts.iter().enumerate() {
            let Some(process) = &process.process else {
                continue;
            };
            if process.stalled.is_some() || process.inside.is_behind() {
                continue;
            }
            let is = Bounds {
                footprint: process.store.footprint(),
                arriving: process.store.reserved(),
                waiting: process.waiting.len(),
                queues: process.inside.queues(),
            };
            let footprint = options.memory_of(host) + FOOTPRINT_SLACK;
            complaints.extend(bounds::judge(
                self.now,
                host,
                is,
                Bounds { footprint, arriving: options.memory_of(host) / ARRIVING_PARTS, ..most },
            ));
        }
        self.complain(complaints.into_iter().next());
    }

    /// Calls `visit` with every entry of a process.
    pub(super) fn each_entry(
        &self,
        process: &Process<L::Inside>,
        mut visit: impl FnMut(&str, Parts<'_>),
    ) {
        for partition in process.store.options().partitions.iter() {
            process.store.see(partition, &process.clock, process.last_turn, |kept, _| {
                let mut cursor = Some(Cursor::default());
                while let Some(from) = cursor {
                    cursor = kept.walk(from, usize::MAX / 64, |key, parts| {
                        let key = String::from_utf8_lossy(key.bytes);
                        visit(&key, parts);
                        true
                    });
                }
            });
        }
    }
}

impl<L: Level> World<L> {
    /// Calls `visit` with everything that a host holds.
    pub fn each_held(&self, host: usize, visit: impl FnMut(&str, Parts<'_>)) {
        if let Some(process) = self.process(host) {
            self.each_entry(process, visit);
        }
    }

    /// Whether all that run see the same owners of a key as a host does.
    pub fn agree_on_owners(&self, host: usize, key: &str) -> bool {
        let owners = |process: &Process<L::Inside>| {
            process.inside.ring().owners(process.store.partition_of(key.as_bytes())).to_vec()
        };
        let seen = self.process(host).map(owners);
        let others = (0..self.hosts.len()).filter(|other| self.runs(*other));
        others.filter_map(|other| self.process(other)).all(|other| Some(owners(other)) == seen)
    }
}
