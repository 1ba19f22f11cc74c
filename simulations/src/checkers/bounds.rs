//! Bounds: what a node may occupy, in memory and in queues.

use chickadee::node::report::Queues;

use super::Violation;
use crate::time::Time;

/// What is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Memory for entries, in bytes.
    pub footprint: usize,
    /// Part of it: places of large values that are arriving, in bytes.
    pub arriving: usize,
    /// Operations of clients waiting for an answer.
    pub waiting: usize,
    /// Queues of the node.
    pub queues: Queues,
}

/// Complains about the first thing that is above its bound: `is` more than `most`.
pub fn judge(at: Time, node: usize, is: Bounds, most: Bounds) -> Option<Violation> {
    let pairs = [
        ("bytes of entries", is.footprint, most.footprint),
        ("bytes of large values arriving", is.arriving, most.arriving),
        ("operations waiting", is.waiting, most.waiting),
        ("operations under way", is.queues.operations, most.queues.operations),
        ("timers", is.queues.timers, most.queues.timers),
        ("own writes remembered", is.queues.own_writes, most.queues.own_writes),
        ("exchanges under way", is.queues.exchanges, most.queues.exchanges),
        ("partitions being handed over", is.queues.handoffs, most.queues.handoffs),
    ];
    let (what, is, most) = pairs.into_iter().find(|(_, is, most)| is > most)?;
    let text = format!("{is} {what}, of {most} allowed");
    Some(Violation { invariant: "bounds", at, key: None, node: Some(node), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_above_its_bound_is_noticed() {
        let queues =
            |n| Queues { operations: n, timers: n, own_writes: n, exchanges: n, handoffs: n };
        let all = |n| Bounds { footprint: n, arriving: n, waiting: n, queues: queues(n) };
        let judge = |is| judge(Time(0), 0, is, all(10));
        assert_eq!(judge(all(10)), None);
        assert!(judge(Bounds { footprint: 11, ..all(10) }).is_some());
        assert!(judge(Bounds { arriving: 11, ..all(10) }).is_some());
        assert!(judge(Bounds { waiting: 11, ..all(10) }).is_some());
        for queues in [
            Queues { operations: 11, ..queues(10) },
            Queues { timers: 11, ..queues(10) },
            Queues { own_writes: 11, ..queues(10) },
            Queues { exchanges: 11, ..queues(10) },
            Queues { handoffs: 11, ..queues(10) },
        ] {
            assert!(judge(Bounds { queues, ..all(10) }).is_some());
        }
    }
}
