//! A node is alone for so long that it forgets what it has removed. Then it finds one of the others
//! again, which inherits its floor, and a node leaves, so that a holder that has found neither is an
//! owner again: it trusted, and was trusted by, the one that has inherited.

use super::Scenario;
use crate::plan::Fault;

/// See the module.
pub const INHERITED: Scenario = Scenario {
    name: "inherited",
    about: "who comes back after long finds one node, and another is an owner before it is found",
    nodes: (4, 4),
    options: |options, _| {
        options.replicas = 2;
        options.keys = 12;
        options.restarts_seeded = true;
        // What is removed where one is alone is seldom written by the others after that.
        options.pause_ms = (200, 1_500);
        options.healed_ms = options.formed_ms + 190_000;
    },
    faults: |line| {
        line.pass(0..3_000);
        let back = line.node();
        let mut others: Vec<usize> = (0..line.options.nodes).filter(|n| *n != back).collect();
        let found = others.remove(line.draw(0..others.len() as u64) as usize);
        let length = line.draw(135_000..160_000);
        line.part((back, found), length);
        for other in others {
            line.part((back, other), length + 18_000);
        }
        let leaver = if line.draw(0..2) == 0 { back } else { found };
        let after = length + line.draw(2_000..6_000);
        line.happens_in(after, Fault::Leave { node: leaver });
    },
};

/// Two are apart from a third for so long that it forgets what it has removed, and from each other
/// just before one of them finds it again and drops what it holds. The other has written a later
/// version of that meanwhile: the mark that was left is older, and opens no door (the eighth story).
pub const MARK_AS_DOOR: Scenario = Scenario {
    name: "mark-as-door",
    about: "who was made to drop a value is offered a later one that is dead as well",
    nodes: (3, 3),
    options: |options, _| {
        options.partitions = 1;
        options.keys = 24;
        options.restarts_seeded = true;
        options.pause_ms = (50, 400);
        options.healed_ms = options.formed_ms + 190_000;
    },
    faults: |line| {
        line.pass(0..3_000);
        let first = line.node();
        let (second, third) = ((first + 1) % 3, (first + 2) % 3);
        let length = line.draw(135_000..150_000);
        line.part((first, second), length);
        line.part((second, third), length + 14_000);
        line.now_ms += length - 4_000;
        let apart = line.draw(9_000..14_000);
        line.part((first, third), apart);
    },
};
