//! A node, or several, are away with their memory for longer than anybody waits for them: the others
//! have closed their sessions and forgotten what was removed meanwhile. What comes back with old
//! memory must be judged before it is believed.

use super::Scenario;
use super::timeline::Timeline;
use crate::plan::Fault;

/// See the module.
pub const LONG_ABSENCE: Scenario = Scenario {
    name: "long-absence",
    about: "nodes are stopped or cut off for more than a minute, with their memory",
    nodes: (3, 5),
    options: |options, _| {
        options.keys *= 2;
        options.partitions = 32;
        // Where all die one after the other, nobody is left to call them.
        options.restarts_seeded = true;
        options.pause_ms = (50, 300);
        options.healed_ms = options.formed_ms + 150_000;
        // Whoever was away for long is dialed less often.
        options.agree_ms = 10_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(0..5_000);
            let length = line.draw(65_000..95_000);
            let away = match line.draw(0..3) {
                0 => vec![],
                1 => vec![line.node()],
                _ => line.half(),
            };
            let node = match away.first() {
                Some(node) => *node,
                None => line.node(),
            };
            if away.is_empty() {
                line.stall(node, length);
            } else if line.draw(0..2) == 0 {
                line.split(away, length);
            } else {
                line.split_raggedly(away, length, 6_000);
            }
            dies_on_return(line, node, length);
            // Others start anew meanwhile, and know nothing of what is away; some after it is not
            // waited for any more.
            for _ in 0..line.draw(0..5) {
                let node = line.node();
                let after = match line.draw(0..3) {
                    0 => line.draw(1_000..length + 3_000),
                    _ => line.draw(60_000..length + 1_000),
                };
                let gone = line.draw(100..3_000);
                line.happens_in(after, Fault::Crash { node });
                line.starts_in(after + gone, node);
            }
            line.now_ms += length;
            line.pass(5_000..20_000);
        }
    },
};

/// Who comes back is far from those who have not waited for it: before they have met it anew, it is
/// asked for what it held.
pub const LONG_STOP: Scenario = Scenario {
    name: "long-stop",
    about: "nodes that are far apart are stopped for more than a minute",
    nodes: (3, 5),
    options: |options, _| {
        options.partitions = 32;
        options.latency_us_max = 60_000;
        options.restarts_seeded = true;
        options.clients = 6;
        options.pause_ms = (50, 300);
        options.healed_ms = options.formed_ms + 150_000;
        options.agree_ms = 10_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(0..5_000);
            let (node, length) = (line.node(), line.draw(65_000..95_000));
            line.stall(node, length);
            line.now_ms += length;
        }
    },
};

/// Sometimes who comes back has just told somebody what it had forgotten when it dies.
fn dies_on_return(line: &mut Timeline<'_>, node: usize, length: u64) {
    if line.draw(0..3) == 0 {
        let (after, gone) = (length + line.draw(100..4_000), line.draw(100..10_000));
        line.happens_in(after, Fault::Crash { node });
        line.starts_in(after + gone, node);
    }
}
