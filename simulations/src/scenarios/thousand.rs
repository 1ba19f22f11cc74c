//! A thousand nodes: they form one cluster, answer, and survive the loss of some of them. Takes
//! minutes and gigabytes: for the night.

use super::Scenario;

/// See the module.
pub const THOUSAND: Scenario = Scenario {
    name: "thousand",
    about: "1000 nodes form a cluster, and some of them are killed",
    nodes: (1_000, 1_000),
    options: |options, _| {
        // Enough for most nodes to own something; more cost time, and show nothing else.
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
            line.happens(crate::plan::Fault::Crash { node });
            line.pass(200..1_000);
        }
    },
};
