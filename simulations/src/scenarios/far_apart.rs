//! Nodes in different places, tens of milliseconds from each other, are killed and stopped: what
//! silence means takes longer to tell here, and a read does not wait for it.

use super::Scenario;

/// See the module.
pub const FAR_APART: Scenario = Scenario {
    name: "far-apart",
    about: "nodes are tens of milliseconds apart, and are killed or stopped",
    nodes: (3, 6),
    options: |options, _| {
        options.latency_us_max = 50_000;
        options.jitter_us_max = 3_000;
    },
    faults: |line| {
        while line.goes_on() {
            line.pass(0..3_000);
            let (node, length) = (line.node(), line.draw(500..6_000));
            match line.draw(0..2) {
                0 => line.crash(node, length),
                _ => line.stall(node, length),
            }
            line.now_ms += length + line.options.stable_ms;
        }
    },
};
