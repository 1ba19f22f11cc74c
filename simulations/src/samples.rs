//! How the nodes were at a time: measured for a report, never for a verdict. Measuring only looks.

use std::collections::BTreeMap;

use chickadee::node::event::Notice;
use chickadee::store::Version;

use crate::time::Time;
use crate::traffic::Traffic;
use crate::world::World;
use crate::world::level::Level;

/// How the nodes were at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// When.
    pub at: Time,
    /// Keys that a running node holds.
    pub keys: usize,
    /// Those of them that two running nodes hold at different versions.
    pub divergent: usize,
    /// Pairs of a running node and another one that was started at some time.
    pub pairs: usize,
    /// Those pairs where the first takes the second for a member exactly if it runs.
    pub right: usize,
    /// What all nodes have sent by then.
    pub sent: Traffic,
}

/// What a node told its operator.
#[derive(Clone, Debug)]
pub struct Told {
    /// When.
    pub at: Time,
    /// By which host.
    pub host: usize,
    /// What.
    pub notice: Notice,
}

impl Sample {
    /// Looks at all nodes.
    pub fn of(world: &World<impl Level>) -> Sample {
        let hosts = 0..world.hosts.len();
        let runs =
            |host: usize| world.process(host).is_some_and(|p| !p.stopping && p.stalled.is_none());
        let mut held: BTreeMap<String, (Version, bool)> = BTreeMap::new();
        let (mut pairs, mut right) = (0, 0);
        for host in hosts.clone().filter(|host| runs(*host)) {
            world.each_held(host, |key, parts| match held.get_mut(key) {
                Some((version, differs)) => *differs |= *version != parts.version,
                None => {
                    held.insert(key.to_owned(), (parts.version, false));
                }
            });
            let Some(process) = world.process(host) else {
                continue;
            };
            for other in hosts.clone().filter(|other| *other != host) {
                if world.hosts[other].life > 0 {
                    pairs += 1;
                    right += usize::from(process.members.contains(&other) == runs(other));
                }
            }
        }
        let divergent = held.values().filter(|(_, differs)| *differs).count();
        Sample { at: world.now, keys: held.len(), divergent, pairs, right, sent: world.sent() }
    }

    /// Of all pairs, the part that is right, in per cent.
    pub fn accuracy(&self) -> f64 {
        if self.pairs == 0 { 100.0 } else { 100.0 * self.right as f64 / self.pairs as f64 }
    }
}
