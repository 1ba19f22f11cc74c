//! What is looked at every so often while the world runs.

use chickadee::store::{Version, partition::Cursor};

use super::{Event, Process, World};

/// Time between two looks, in milliseconds.
pub const EVERY_MS: u64 = 100;

/// What a store may have beyond its limit at any moment: one entry, and tables that grow by
/// doubling, in bytes.
const FOOTPRINT_SLACK: usize = 256 << 10;

impl World {
    pub(super) fn watch(&mut self) {
        self.at(self.now.plus_ms(EVERY_MS), Event::Watch);
        for index in self.history.open.clone() {
            self.assess(index);
        }
        self.watch_replicas();
        self.watch_bounds();
    }

    /// Compares what every replica holds with what it was seen to hold.
    pub(super) fn watch_replicas(&mut self) {
        let now = self.now;
        let mut replicas = std::mem::take(&mut self.replicas);
        let mut news = Vec::new();
        for (index, host) in self.hosts.iter().enumerate() {
            let Some(process) = &host.process else {
                continue;
            };
            let mut seen = replicas.look(index, host.life);
            let count = process.store.options().partitions;
            let mono = host.clocks.read(now).mono;
            for partition in count.iter() {
                process.store.with(partition, &process.clock, mono, |kept, _| {
                    if kept.role() == chickadee::store::Role::None {
                        seen.dropped(partition);
                        return;
                    }
                    let mut cursor = Some(Cursor::default());
                    while let Some(from) = cursor {
                        cursor = kept.walk(from, usize::MAX / 64, |key, parts| {
                            if seen.holds(partition, key.bytes, parts.version) {
                                let value = parts.value.map(<[u8]>::to_vec);
                                news.push((key.bytes.to_vec(), parts.version, value));
                            }
                            true
                        });
                    }
                });
            }
            if let Some(violation) = seen.verdict(now)
                && self.violation.is_none()
            {
                self.violation = Some(violation);
            }
        }
        self.replicas = replicas;
        for (key, version, value) in news {
            if let Some(value) = value {
                let key = String::from_utf8_lossy(&key);
                let value = String::from_utf8_lossy(&value);
                self.history.saw(&key, &value, version);
            }
        }
    }

    fn watch_bounds(&mut self) {
        for host in 0..self.hosts.len() {
            let Some(process) = self.process(host) else {
                continue;
            };
            let most = process.store.options().memory_bytes_max + FOOTPRINT_SLACK;
            let pending = process.waiting.len();
            let violation = crate::checkers::bounds::judge(
                self.now,
                host,
                process.store.footprint(),
                most,
                pending,
                self.plan.options.clients + self.plan.options.keys,
            );
            if let Some(violation) = violation
                && self.violation.is_none()
            {
                self.violation = Some(violation);
            }
        }
    }

    /// Calls `visit` with every entry of a process: key, version, value.
    pub(super) fn each_entry(
        &self,
        process: &Process,
        mut visit: impl FnMut(&str, Version, Option<&[u8]>),
    ) {
        for partition in process.store.options().partitions.iter() {
            process.store.with(partition, &process.clock, process.last_turn, |kept, _| {
                let mut cursor = Some(Cursor::default());
                while let Some(from) = cursor {
                    cursor = kept.walk(from, usize::MAX / 64, |key, parts| {
                        let key = String::from_utf8_lossy(key.bytes);
                        visit(&key, parts.version, parts.value);
                        true
                    });
                }
            });
        }
    }
}

impl World {
    /// Calls `visit` with every key that a host holds, and its version.
    pub fn each_held(&self, host: usize, mut visit: impl FnMut(&str, Version)) {
        if let Some(process) = self.process(host) {
            self.each_entry(process, |key, version, _| visit(key, version));
        }
    }
}
