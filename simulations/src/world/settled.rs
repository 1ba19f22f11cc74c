//! Who has been ready for long enough to know what the other owners know: what dies with a process
//! is no loss if such an owner remains.

use chickadee::placement::Partition;
use chickadee::store::Role;

use super::World;
use super::level::Level;
use crate::time::Time;

/// Owners that are ready and in touch have told each other all they know within so long, in
/// milliseconds.
const SETTLED_MS: u64 = 8_000;

/// Since when the partitions of a host's process are ready; nothing for those that are not.
pub type ReadySince = Vec<Option<Time>>;

impl<L: Level> World<L> {
    /// Looks at the roles of all partitions.
    pub(super) fn watch_roles(&mut self) {
        let partitions = self.plan.options.partitions;
        for host in 0..self.hosts.len() {
            let ready =
                |partition| self.runs(host) && self.role(host, Partition(partition)) == Role::Ready;
            let ready: Vec<bool> = (0..partitions).map(ready).collect();
            let Some(process) = &mut self.hosts[host].process else {
                continue;
            };
            process.ready_since.resize(ready.len(), None);
            for (since, ready) in process.ready_since.iter_mut().zip(ready) {
                *since = ready.then(|| since.unwrap_or(self.now));
            }
        }
    }

    /// Up to when another owner that remains has learnt all that a host knew of a key, if there is
    /// one.
    pub(super) fn told_until(
        &self,
        host: usize,
        key: &str,
        remains: impl Fn(&usize) -> bool,
    ) -> Option<Time> {
        let before = Time(self.now.0.checked_sub(Time::ms(SETTLED_MS).0)?);
        let partition = usize::from(self.process(host)?.store.partition_of(key.as_bytes()).0);
        let settled = |host: usize| {
            let since = self.process(host).and_then(|p| *p.ready_since.get(partition)?);
            since.is_some_and(|since| since <= before)
        };
        let passed = |from, to| self.network.has_passed(from, to, SETTLED_MS, self.now);
        let told = |other: &usize| {
            remains(other) && settled(*other) && passed(host, *other) && passed(*other, host)
        };
        (settled(host) && (0..self.hosts.len()).any(|other| told(&other))).then_some(before)
    }
}
