//! Rings: whoever sees the same members has the same ring, at every moment; and in every ring a
//! partition has as many different owners as there can be.

use std::collections::{BTreeMap, BTreeSet};

use chickadee::placement::{Ring, Seat};

use super::Violation;
use crate::time::Time;

/// Complains about two rings of one roster that differ, or one that is wrong by itself.
pub fn judge<'a>(
    at: Time,
    replicas: usize,
    rings: impl IntoIterator<Item = (usize, &'a Ring)>,
) -> Option<Violation> {
    let mut rosters: BTreeMap<&[Seat], (usize, &Ring)> = BTreeMap::new();
    let mut ids: BTreeMap<u64, (usize, &Ring)> = BTreeMap::new();
    for (node, ring) in rings {
        let complain = |text| {
            Some(Violation { invariant: "equal-rings", at, key: None, node: Some(node), text })
        };
        let (same, equal) = *rosters.entry(ring.seats()).or_insert((node, ring));
        let owners = |ring: &'a Ring| ring.partitions().iter().map(|p| ring.owners(p));
        let differs = || owners(ring).ne(owners(equal));
        if same != node && (ring.id() != equal.id() || differs()) {
            return complain(format!("sees the same members as node {same}, in another ring"));
        }
        if same != node {
            continue;
        }
        let (other, of_id) = *ids.entry(ring.id()).or_insert((node, ring));
        if of_id.seats() != ring.seats() {
            return complain(format!("has the id of the ring of node {other}, in another ring"));
        }
        let owning = ring.seats().iter().filter(|seat| seat.weight > 0).count();
        let wrong = owners(ring).position(|owners| {
            let different: BTreeSet<_> = owners.iter().collect();
            different.len() != owners.len() || owners.len() != replicas.min(owning)
        });
        if let Some(partition) = wrong {
            return complain(format!("partition {partition} has not {replicas} different owners"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;

    use chickadee::placement::{NodeId, PartitionCount, Zone};

    use super::*;

    fn ring(ids: &[u8], partitions: u16) -> Ring {
        let seat = |id: &u8| Seat { id: NodeId([*id; 16]), weight: 64, zone: Zone::default() };
        let partitions = PartitionCount::new(partitions).expect("a power of two");
        let replicas = NonZeroU8::new(2).expect("two");
        Ring::build(ids.iter().map(seat).collect(), partitions, replicas)
    }

    #[test]
    fn different_rings_of_equal_members_are_noticed() {
        let (a, b) = (ring(&[1, 2, 3], 16), ring(&[1, 2], 16));
        assert_eq!(judge(Time(0), 2, [(0, &a), (1, &a), (2, &b)]), None);
        // Built for another number of partitions, as by a build that computes otherwise.
        let other = ring(&[1, 2, 3], 8);
        assert!(judge(Time(0), 2, [(0, &a), (1, &other)]).is_some());
    }

    #[test]
    fn too_few_owners_are_noticed() {
        let ring = ring(&[1, 2, 3], 16);
        assert!(judge(Time(0), 3, [(0, &ring)]).is_some());
    }
}
