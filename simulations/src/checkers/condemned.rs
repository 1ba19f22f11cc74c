//! Condemned: where nobody was ever away with its memory, nobody who is ready is made to drop what
//! nothing has come after: whoever judges it must have heard everybody out before.
//!
//! Not judged: a node that has only just started; what one owner had to evict it is made to drop,
//! though it has it from another. So it is for all where nodes join or leave; and once a node had to
//! be judged anew because of what was learnt from a third.

use chickadee::store::Version;

use super::Violation;
use crate::history::History;
use crate::plan::{Act, Fault, Timed};
use crate::world::World;
use crate::world::level::Level;

/// Complains if a node has dropped the newest version of a key, which was never removed.
pub fn judge(world: &World<impl Level>, node: usize) -> Option<Violation> {
    let history = &world.history;
    if history.doubted || !history.cuts.is_empty() || !history.stalls.is_empty() {
        return None;
    }
    let leaves = |fault: &Timed<Fault>| matches!(fault.what, Fault::Leave { .. });
    let moves = world.plan.options.joiners > 0 || world.plan.faults.iter().any(leaves);
    if moves && !history.evictions.is_empty() {
        return None;
    }
    let dropped = history.keys.iter().filter(|key| world.has_condemned(node, key));
    dropped.filter(|key| world.is_settled(node, key)).find_map(|key| {
        let (version, _) = world.held(node, key)?;
        let value = newest(history, key, version)?;
        Some(Violation {
            invariant: "condemned",
            at: world.now,
            key: Some(key.clone()),
            node: Some(node),
            text: format!("dropped {value:?} of {}, which nothing has come after", version.value),
        })
    })
}

/// The value of a version, if it is the last one that was written, and acknowledged.
fn newest<'a>(history: &'a History, key: &str, version: Version) -> Option<&'a str> {
    let mut writes = history.records.iter().rev().filter(|r| r.key == key && !r.reads());
    let last = writes.next()?;
    let lasting = !last.act.removes() && last.act != Act::Persist;
    (lasting && last.acknowledged() == Some(version)).then_some(&last.value)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{history, version, write};
    use super::*;

    #[test]
    fn the_last_write_counts_until_another_begins() {
        let a = write(0, "a", 1, (0, 1));
        let b = write(0, "b", 2, (2, 3));
        let run = history(vec![a.clone(), b.clone()]);
        assert_eq!(newest(&run, "k1", version(2)), Some("b"));
        assert_eq!(newest(&run, "k1", version(1)), None, "it was overwritten");
        let mut removal = write(0, "", 3, (4, 5));
        removal.act = Act::Delete;
        assert_eq!(newest(&history(vec![a, b, removal]), "k1", version(3)), None);
    }
}
