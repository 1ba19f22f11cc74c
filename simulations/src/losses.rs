//! What is lost: live values that nobody holds any more. No checker complains about one that died
//! with its last holder, or had to go for want of memory, so it is counted.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use chickadee::store::Stamp;

use crate::checkers::membership;
use crate::history::{History, Record};
use crate::plan::Act;
use crate::world::World;
use crate::world::level::Level;

/// Keys at the end of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Losses {
    /// Keys whose newest acknowledged write is a value that nothing can have removed or ended.
    pub live: u64,
    /// Of these, those of which no live node holds that value or a later one.
    pub lost: u64,
}

impl AddAssign for Losses {
    fn add_assign(&mut self, other: Losses) {
        self.live += other.live;
        self.lost += other.lost;
    }
}

impl Losses {
    /// Counts what the live nodes hold of what was acknowledged.
    pub(crate) fn of(world: &World<impl Level>) -> Losses {
        let mut held: BTreeMap<String, Stamp> = BTreeMap::new();
        for host in membership::live(world) {
            world.each_held(host, |key, parts| {
                if parts.value.is_some() {
                    let newest = held.entry(key.to_owned()).or_default();
                    *newest = (*newest).max(parts.version.value);
                }
            });
        }
        count(&world.history, |key| held.get(key).copied())
    }
}

/// `held`: the newest value that somebody holds of a key.
fn count(history: &History, held: impl Fn(&str) -> Option<Stamp>) -> Losses {
    let removals = history.removals();
    let mut newest: BTreeMap<&str, (Stamp, &Record)> = BTreeMap::new();
    for record in &history.records {
        let Some(version) = record.acknowledged() else { continue };
        let known = newest.get(&record.key[..]);
        if known.is_none_or(|(stamp, _)| *stamp < version.value) {
            newest.insert(&record.key, (version.value, record));
        }
    }
    let mut losses = Losses::default();
    for (key, (stamp, write)) in newest {
        let lasts = !write.act.removes() && write.act != Act::Persist;
        if !lasts || removals.of(key).any(|removal| removal.may_remove(stamp, write.start)) {
            continue;
        }
        losses.live += 1;
        losses.lost += u64::from(held(key).is_none_or(|held| held < stamp));
    }
    losses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::tests::{history, version, write};

    #[test]
    fn what_nobody_holds_is_lost() {
        let stamp = |n| Some(version(n).value);
        let run = history(vec![write(0, "a", 1, (0, 1)), write(1, "b", 2, (2, 3))]);
        assert_eq!(count(&run, |_| stamp(2)), Losses { live: 1, lost: 0 });
        assert_eq!(count(&run, |_| stamp(3)), Losses { live: 1, lost: 0 }, "something later");
        assert_eq!(count(&run, |_| stamp(1)), Losses { live: 1, lost: 1 }, "something older");
        assert_eq!(count(&run, |_| None), Losses { live: 1, lost: 1 });
    }

    #[test]
    fn what_was_removed_is_not_lost() {
        let mut removal = write(1, "", 2, (2, 3));
        removal.act = Act::Delete;
        let run = history(vec![write(0, "a", 1, (0, 1)), removal]);
        assert_eq!(count(&run, |_| None), Losses::default());
    }
}
