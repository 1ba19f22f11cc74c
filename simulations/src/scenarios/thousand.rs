//! A thousand nodes: they form one cluster, answer, and survive the loss of some of them. Takes about
//! five minutes and three gigabytes: for the night.
//!
//! They are started all within four seconds, and by the end of the first half minute they have to be
//! one cluster. Then five are killed within five seconds, and everybody has to have learnt of it
//! before they are started again, all the while clients of twenty nodes ask for what lies on others.
//!
//! Of 256 partitions, not 1024, which is so many times a thousand nodes that looking at all of them
//! would be most of what is done: three quarters of the nodes own one, the others only pass on. For
//! the same reason everything is looked at every 6.3 s, not ten times a second, and there are few
//! keys, each of which is read at every node at the end.

use super::Scenario;
use crate::plan::Fault;

/// See the module.
pub const THOUSAND: Scenario = Scenario {
    name: "thousand",
    about: "1000 nodes form a cluster, and some of them are killed",
    nodes: (1_000, 1_000),
    options: |options, _| {
        options.partitions = 256;
        options.clients = 20;
        options.keys = 6;
        options.formed_ms = 30_000;
        options.healed_ms = 60_000;
        options.members_ms = 60_000;
        options.settle_ms = 60_000;
    },
    faults: |line| {
        for _ in 0..5 {
            let node = line.node();
            line.happens(Fault::Crash { node });
            line.pass(200..1_000);
        }
    },
};
