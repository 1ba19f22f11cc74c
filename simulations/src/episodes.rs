//! Faults with what mends them: a crash and the start after it are one thing that happens.

use crate::plan::{Fault, Timed};

/// A fault, and what ends it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Episode {
    /// Where the fault stands in the list.
    pub fault: usize,
    /// Where its end stands, if it ends.
    pub end: Option<usize>,
}

/// All faults with their ends, in the order they begin. The first start of each node is none of
/// them: that is the cluster.
pub fn episodes(faults: &[Timed<Fault>]) -> Vec<Episode> {
    let mut taken = vec![false; faults.len()];
    let mut episodes = Vec::new();
    for (index, fault) in faults.iter().enumerate() {
        if taken[index] || first_start(faults, index) {
            continue;
        }
        let later = (index + 1..faults.len())
            .find(|later| !taken[*later] && ends(&fault.what, &faults[*later].what));
        if let Some(later) = later {
            taken[later] = true;
        }
        episodes.push(Episode { fault: index, end: later });
    }
    episodes
}

fn first_start(faults: &[Timed<Fault>], index: usize) -> bool {
    let starts = |fault: &Timed<Fault>| match fault.what {
        Fault::Start { node, .. } => Some(node),
        _ => None,
    };
    let node = starts(&faults[index]);
    node.is_some() && faults[..index].iter().all(|earlier| starts(earlier) != node)
}

fn ends(fault: &Fault, later: &Fault) -> bool {
    match (fault, later) {
        (Fault::Crash { node } | Fault::Stop { node }, Fault::Start { node: other, .. })
        | (Fault::Stall { node }, Fault::Resume { node: other })
        | (Fault::Slow { node, .. }, Fault::Slow { node: other, by_us: 0 }) => node == other,
        (Fault::Cut { from, to }, Fault::Mend { from: other, to: end }) => {
            (from, to) == (other, end)
        }
        (
            Fault::Throttle { from, to, .. },
            Fault::Throttle { from: other, to: end, bytes_per_second: 0 },
        ) => (from, to) == (other, end),
        (Fault::Partition { .. }, Fault::Unite) => true,
        (Fault::Clock { node, by_ms }, Fault::Clock { node: other, by_ms: back }) => {
            node == other && *back == -*by_ms
        }
        (Fault::Weather { .. }, Fault::Weather { .. }) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mended_is_one_thing_and_the_cluster_is_none() {
        let start = |node| Fault::Start { node, seeded: true };
        let faults = [
            start(0),
            start(1),
            Fault::Crash { node: 1 },
            Fault::Partition { nodes: vec![0] },
            start(1),
            Fault::Unite,
            Fault::Leave { node: 1 },
        ];
        let timed = faults.into_iter().map(|what| Timed { at_ms: 0, what });
        let found = episodes(&timed.collect::<Vec<_>>());
        let found: Vec<_> = found.into_iter().map(|e| (e.fault, e.end)).collect();
        assert_eq!(found, [(2, Some(4)), (3, Some(5)), (6, None)]);
    }
}
