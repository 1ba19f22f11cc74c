//! Circles: in which order a node reaches the partitions, and how late.
//!
//! A circle depends on nothing but its node, and most of it is never walked: a node is full long
//! before it has been round. So only its beginning is put in order, more of it when somebody walks
//! on, and it is kept for the next ring, which differs from this one by a member or two.

use xxhash_rust::xxh3::xxh3_64;

use super::{NodeId, log2, share};

/// So many stops are put in order at once, and then so many times as many as were walked.
const FEW: usize = 8;
/// See [`FEW`]. Each time all of the circle is gone through.
const MORE: usize = 8;

/// The circles of some nodes, kept from ring to ring. Rings are the same with and without.
#[derive(Debug, Default)]
pub struct Circles {
    partitions: usize,
    /// By node.
    known: Vec<Circle>,
}

/// One node's walk over all partitions, as far as it was walked.
#[derive(Debug)]
struct Circle {
    node: NodeId,
    stops: Vec<Stop>,
}

/// A partition that a node reaches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    /// How late, for a node of rate 1: a logarithm of 24 bits after the point.
    late: u32,
    partition: u16,
}

impl Circles {
    /// Makes sure that these nodes, in the order of their ids, have circles over so many partitions.
    /// Returns where.
    pub(super) fn of(
        &mut self,
        nodes: impl ExactSizeIterator<Item = NodeId>,
        partitions: usize,
    ) -> Vec<usize> {
        // What was kept for those who are gone may be needed again soon, and takes memory.
        if partitions != self.partitions || self.known.len() > 2 * nodes.len() + FEW {
            *self = Circles { partitions, known: Vec::new() };
        }
        let mut places = Vec::with_capacity(nodes.len());
        let mut merged = Vec::with_capacity(self.known.len().max(nodes.len()));
        let mut before = std::mem::take(&mut self.known).into_iter().peekable();
        for node in nodes {
            while let Some(circle) = before.next_if(|circle| circle.node < node) {
                merged.push(circle);
            }
            places.push(merged.len());
            let known = before.next_if(|circle| circle.node == node);
            merged.push(known.unwrap_or(Circle { node, stops: Vec::new() }));
        }
        merged.extend(before);
        self.known = merged;
        places
    }

    /// A stop of the circle at that place, if it has so many.
    pub(super) fn stop(&mut self, place: usize, step: usize) -> Option<Stop> {
        let circle = &mut self.known[place];
        if step >= circle.stops.len() && step < self.partitions {
            let count = (MORE * step).max(FEW);
            // What is left is soon gone through, too.
            let all = 2 * count >= self.partitions;
            circle.order(if all { self.partitions } else { count }, self.partitions);
        }
        circle.stops.get(step).copied()
    }
}

impl Circle {
    /// Puts so many stops in order. Those before stay as they are.
    fn order(&mut self, count: usize, partitions: usize) {
        let mut bytes = [0; 20];
        bytes[..16].copy_from_slice(&self.node.0);
        let mut tokens: Vec<(u64, u16)> = (0..partitions as u16)
            .map(|partition| {
                bytes[16..].copy_from_slice(&u32::from(partition).to_le_bytes());
                (xxh3_64(&bytes), partition)
            })
            .collect();
        if count < partitions {
            tokens.select_nth_unstable(count);
            tokens.truncate(count);
        }
        tokens.sort_unstable();
        let all_log = log2((partitions as u64) << 32);
        let stop = |(step, &(token, partition)): (usize, &(u64, u16))| Stop {
            late: late(step, token, partitions, all_log),
            partition,
        };
        let known = self.stops.len();
        self.stops.extend(tokens.iter().enumerate().skip(known).map(stop));
    }
}

/// How late a node makes a stop: with `n` stops, at the `(step + jitter) / n` quantile of the
/// exponential distribution.
///
/// Exponential, because such clocks keep their proportions all the way round. By quantile and not at
/// random, because then every node is equally early. The jitter (the token's lower half; its upper
/// half made the order) decides between nodes that make the same step. `all_log`: of `n`, in units of
/// the jitter's.
fn late(step: usize, token: u64, partitions: usize, all_log: u64) -> u32 {
    let jitter = token & 0xffff_ffff;
    let all = (partitions as u64) << 32;
    let left = all - ((step as u64) << 32) - jitter;
    (all_log - log2(left)) as u32
}

impl Stop {
    /// When a node of that rate is there.
    pub(super) fn time(self, rate: u64) -> u64 {
        (u64::from(self.late) << 28) / rate
    }

    /// Where it is.
    pub(super) fn partition(self) -> usize {
        usize::from(self.partition)
    }
}

/// The speed at which a node walks that is to hold so much: a logarithm of 24 bits after the point.
///
/// After one unit of time the node has passed `1 - 2^-rate` of its circle, and that shall be its
/// share of the partitions. In proportion to the weight would give heavy nodes too little: a
/// partition reached twice counts once. Who must hold everything would be infinitely fast; one part
/// in 64 short of it is fast enough.
pub(super) fn rate(share: u64, partitions: usize) -> u64 {
    let all = share::of_copies(partitions as u64);
    let left = all.saturating_sub(share).max(all / 64);
    (log2(all) - log2(left)).max(1)
}
