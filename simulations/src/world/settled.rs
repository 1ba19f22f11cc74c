//! Who has been ready for long enough to know what the other owners know: what dies with a process
//! is no loss if such an owner remains.

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
        let partitions = usize::from(self.plan.options.partitions);
        for process in self.hosts.iter_mut().filter_map(|host| host.process.as_mut()) {
            process.ready_since.resize(partitions, None);
            let runs = process.stalled.is_none();
            let (now, since) = (self.now, &mut process.ready_since);
            process.store.roles(|partition, role| {
                let since = &mut since[usize::from(partition.0)];
                *since = (runs && role == Role::Ready).then(|| since.unwrap_or(now));
            });
        }
    }

    /// Whether a host's process has been ready for that long for the partition of a key.
    pub fn is_settled(&self, host: usize, key: &str) -> bool {
        self.settled_before(host, key).is_some()
    }

    /// Since when a host's process is ready for the partition of a key.
    pub(super) fn ready_since(&self, host: usize, key: &str) -> Option<Time> {
        let process = self.process(host)?;
        let partition = process.store.partition_of(key.as_bytes());
        *process.ready_since.get(usize::from(partition.0))?
    }

    /// The time by which a process that is settled now must have known of everything then.
    fn settled_before(&self, host: usize, key: &str) -> Option<Time> {
        let before = Time(self.now.0.checked_sub(Time::ms(SETTLED_MS).0)?);
        let since = self.ready_since(host, key)?;
        let partition = self.process(host)?.store.partition_of(key.as_bytes());
        (since <= before && self.role(host, partition) == Role::Ready).then_some(before)
    }

    /// Up to when another owner that remains has learnt all that a host knew of a key, if there is
    /// one.
    pub(super) fn told_until(
        &self,
        host: usize,
        key: &str,
        remains: impl Fn(&usize) -> bool,
    ) -> Option<Time> {
        let before = self.settled_before(host, key)?;
        let passed = |from, to| self.network.has_passed(from, to, SETTLED_MS, self.now);
        let told = |other: &usize| {
            let in_touch = passed(host, *other) && passed(*other, host);
            remains(other) && in_touch && self.is_settled(*other, key)
        };
        (0..self.hosts.len()).any(|other| told(&other)).then_some(before)
    }
}
