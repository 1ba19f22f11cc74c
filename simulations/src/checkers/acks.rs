//! Acknowledged is what it says: when a client is told that so many owners have its write, so many
//! have it, or something later; and where a majority of them could be reached all the while, a
//! majority has.
//!
//! Allowed: that one of them has died, or been stopped for good, since it said so; and that one which
//! has only just started, or gone on after a stop, does not count yet. Where packets are
//! lost or late, or were until lately, owners may be taken for hung; and to whom a value is gone,
//! evicted or ended, its end is nothing. While they do not all see the same owners, one may not know
//! yet that it is one (swarm seed 4593). And what was decided is not stamped anew: owners that have
//! taken, and forgotten, a later deletion meanwhile do not take it (clock-jump seed 7175).

use chickadee::node::event::Written;

use super::Violation;
use crate::history::Record;
use crate::plan::{Act, Fault};
use crate::time::Time;
use crate::world::World;
use crate::world::level::Level;

/// Who says goodbye answers for so long at most, in milliseconds.
const LEAVING_MS: u64 = 1_500;

/// Complains if a client is about to be told of more owners than have its write, or of too few.
pub fn judge(world: &World<impl Level>, record: usize, written: Written) -> Option<Violation> {
    let record = &world.history.records[record];
    let complain = |text| {
        let (key, node) = (Some(record.key.clone()), Some(record.host));
        Some(Violation { invariant: "acks", at: world.now, key, node, text })
    };
    let ends = |fault: &Fault| {
        matches!(fault, Fault::Crash { .. } | Fault::Stop { .. } | Fault::Leave { .. })
    };
    let faults = world.plan.faults.iter().filter(|fault| ends(&fault.what));
    let since = |at: Time| record.start <= at.plus_ms(LEAVING_MS) && at <= world.now;
    // What was about to stop is killed when everything heals.
    let healed = Time::ms(world.plan.options.healed_ms);
    if since(healed) {
        return None;
    }
    let gone = faults.filter(|fault| since(fault.time())).count();
    let covers = |host: &usize| world.covers(*host, &record.key, written.version);
    let have = (0..world.hosts.len()).filter(covers).count();
    let acks = usize::from(written.acks);
    if have + gone < acks {
        return complain(format!("tells of {acks} owners that have it, and {have} do"));
    }
    let others = (0..world.hosts.len()).filter(|host| *host != record.host);
    let met = !world.is_fresh(record.host) && others.clone().all(|host| world.has_met_all(host));
    let evicted = world.history.evictions.contains_key(&record.key);
    let kept = !evicted && !matches!(record.act, Act::Expire { .. } | Act::Persist);
    let calm = kept
        && world.agree_on_owners(record.host, &record.key)
        && world.plan.is_calm()
        && world.history.together(record.start, world.now);
    let few = 2 * acks <= usize::from(written.wanted);
    if record.majority && calm && met && gone == 0 && few && !is_overtaken(world, record, written) {
        let wanted = written.wanted;
        return complain(format!("tells of {acks} of {wanted} owners, and a majority was there"));
    }
    None
}

fn is_overtaken(world: &World<impl Level>, record: &Record, written: Written) -> bool {
    let later = |other: &Record| {
        let version = other.acknowledged();
        other.key == record.key && version.is_some_and(|v| v.value > written.version.value)
    };
    record.act.is_decided() && world.history.records.iter().any(later)
}
