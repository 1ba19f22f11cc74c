//! The ring: which nodes own a partition, as a pure function of the roster.
//!
//! It is Dynamo's preference list (DeCandia et al. 2007, section 4.2) under the cap of "Consistent
//! Hashing with Bounded Loads" (Mirrokni, Thorup, Zadimoghaddam 2018), with one change: **every
//! node has a circle of its own.** A node's *token* for a partition is
//! `xxh3_64(node id ++ partition as 4 bytes, little endian)`, and its circle is all partitions in
//! the order of their tokens. All nodes walk their circles at once, each at the speed that its
//! share by weight asks for, and claim every partition they reach that still lacks an owner; a
//! node that holds its cap stops. A partition's owners are so the first N nodes to reach it. When
//! the walk is over, the first places are evened out among the owners, which moves no data.
//!
//! Keeps true:
//! * Equal rosters give equal rings, in every build: integers only, a specified hash, and nothing
//!   that depends on the order of the input or of a hash map.
//! * Every partition has min(N, members of weight > 0) distinct owners.
//! * No zone holds more copies of a partition than it must: with at least N zones they are in N
//!   different ones. A node without a zone is one by itself. **Zones never give way to caps**: two
//!   copies in one rack are lost together, one copy too many only costs memory. A node's fair
//!   share is therefore computed under the zones, so that this seldom comes to a choice.
//! * A node holds at most `ceil(1.05 x share)` copies and comes first in `ceil(1.10 x fair first
//!   places)`. Where no node under its cap may take a copy, the cap gives way.
//! * A join or a leave moves little more than it must.
//!
//! Measured (1024 partitions, N = 3, equal weights, no zones, 200 random rosters of each size from
//! 2 to 50): at most 1.064 x the mean of copies (43 nodes, where the cap's rounding up shows) and
//! 1.143 x that of first places. Moved by one join, as a multiple of what the new node must hold:
//! 1.02 on average at 20 nodes, 1.13 at 50, 1.19 at 48; by one leave the same. **Never above 1.3 up
//! to 41 nodes; above that in 22 joins and 14 leaves of 1,800 each**, at worst 1.38, nearly all
//! between 46 and 49 nodes, where one member more lowers everybody's cap by two whole copies. First
//! places have wider caps but a third of the mean: a join changes 1.1 x the ideal at 20 nodes,
//! 1.5 x at 48.
//!
//! Why not one circle with 128 tokens per node: its arcs are uneven by chance, so more nodes sit at
//! their caps, and each of them has to pass on or take back a copy whenever a change elsewhere
//! moves its load or its cap. That circle, with the same greedy assignment, moved 1.20 x the ideal
//! on average at 50 nodes and 1.44 x at worst (40 rosters). A circle per node makes each node's
//! claims exactly even in time; what is left of chance is who else comes early to the same
//! partition.
//!
//! Deliberately not: aware of who is alive (a held node keeps its seat), nor of the ring before.
//! Without memory every node computes the same ring, whatever it missed; the price is the moves
//! above the ideal.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::num::NonZeroU8;

use xxhash_rust::xxh3::Xxh3;

use super::{NodeId, Partition, PartitionCount, Zone};

mod circles;
mod share;
#[cfg(test)]
mod tests;

pub use circles::Circles;

/// A node may hold this many percent of its fair share of copies.
const COPIES_PERCENT: u64 = 105;

/// A node may come first in this many percent of its fair share of partitions. Wider than the cap
/// on copies, so that evening out finds a way inside the owner sets.
const FIRSTS_PERCENT: u64 = 110;

/// One member's seat at the ring.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Seat {
    /// Which node.
    pub id: NodeId,
    /// Its share relative to the others' (128 is usual); 0 owns nothing.
    pub weight: u16,
    /// Its failure domain.
    pub zone: Zone,
}

/// Who owns what, for one roster. See the [module](self).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ring {
    seats: Vec<Seat>,
    partitions: PartitionCount,
    /// Owners per partition.
    copies: usize,
    /// `copies` owners of partition 0, then of partition 1, and so on.
    owners: Vec<NodeId>,
    id: u64,
}

impl Ring {
    /// The ring of a roster. The order of the seats does not matter; of two seats with one id the
    /// lesser (by weight, then zone) counts.
    ///
    /// A few milliseconds for 50 nodes and 1024 partitions; the time grows as their product.
    pub fn build(roster: Vec<Seat>, partitions: PartitionCount, replicas: NonZeroU8) -> Self {
        Self::build_on(&mut Circles::default(), roster, partitions, replicas)
    }

    /// The same, with circles that are kept from one ring to the next: then it takes as long as
    /// there are nodes and copies.
    pub fn build_on(
        circles: &mut Circles,
        mut roster: Vec<Seat>,
        partitions: PartitionCount,
        replicas: NonZeroU8,
    ) -> Self {
        put_in_order(&mut roster);

        let owning: Vec<&Seat> = roster.iter().filter(|seat| seat.weight > 0).collect();
        let copies = usize::from(replicas.get()).min(owning.len());
        let mut draft = Draft::new(&owning, partitions, copies);
        draft.walk(&owning, circles);
        draft.fill_gaps();
        draft.even_out_first_places(&owning);
        let owners = draft.owners.iter().flatten().map(|&node| owning[node].id).collect();

        let id = roster_hash(&roster);
        Self { seats: roster, partitions, copies, owners, id }
    }

    /// A partition's owners in order of preference; the first is the decider. Empty if no member
    /// can own, or if there is no such partition.
    #[inline]
    pub fn owners(&self, partition: Partition) -> &[NodeId] {
        let start = usize::from(partition.0) * self.copies;
        self.owners.get(start..start + self.copies).unwrap_or(&[])
    }

    /// Whether a node is among a partition's owners.
    #[inline]
    pub fn is_owner(&self, node: NodeId, partition: Partition) -> bool {
        self.owners(partition).contains(&node)
    }

    /// Hash of the roster: rings with one id (and one configuration of the cluster) are equal.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Whether this is the ring of that roster, which costs nearly nothing to know.
    pub fn is_of(&self, mut roster: Vec<Seat>) -> bool {
        put_in_order(&mut roster);
        self.seats == roster
    }

    /// The roster, sorted by id; those of weight 0 too.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// How many partitions there are.
    pub fn partitions(&self) -> PartitionCount {
        self.partitions
    }
}

fn put_in_order(roster: &mut Vec<Seat>) {
    roster.sort_unstable();
    roster.dedup_by(|later, earlier| later.id == earlier.id);
}

/// Each field has a fixed or a stated length, so that no two rosters are hashed as the same bytes.
fn roster_hash(roster: &[Seat]) -> u64 {
    let mut hash = Xxh3::new();
    for Seat { id, weight, zone } in roster {
        hash.update(&id.0);
        hash.update(&weight.to_le_bytes());
        hash.update(&(zone.0.len() as u64).to_le_bytes());
        hash.update(zone.0.as_bytes());
    }
    hash.digest()
}

/// A ring being drawn up. Nodes are indices into the list of those that may own.
struct Draft {
    copies: usize,
    /// Owners of each partition, in the order in which they reached it.
    owners: Vec<Vec<usize>>,
    /// Each node's fair share of copies, fixed-point.
    shares: Vec<u64>,
    /// Copies each node holds, and how many it should hold at most.
    held: Vec<u64>,
    caps: Vec<u64>,
    /// Each node's zone, and how many copies of one partition a zone may hold.
    zones: Vec<usize>,
    zone_limit: usize,
}

impl Draft {
    fn new(owning: &[&Seat], partitions: PartitionCount, copies: usize) -> Self {
        let count = usize::from(partitions.get());
        let zones = number_zones(owning);
        let zone_limit = share::zone_limit(&zones, copies);
        let weights: Vec<u64> = owning.iter().map(|seat| u64::from(seat.weight)).collect();
        let shares = share::shares(&weights, &zones, count as u64, copies as u64, zone_limit);
        let caps = shares
            .iter()
            .map(|&share| share::percent_up(share, COPIES_PERCENT).min(count as u64))
            .collect();
        Self {
            copies,
            owners: vec![Vec::with_capacity(copies); count],
            shares,
            held: vec![0; owning.len()],
            caps,
            zones,
            zone_limit,
        }
    }

    /// Whether this node may own this partition, caps aside.
    fn may_own(&self, node: usize, partition: usize) -> bool {
        let owners = &self.owners[partition];
        let zone = self.zones[node];
        owners.len() < self.copies
            && !owners.contains(&node)
            && owners.iter().filter(|&&owner| self.zones[owner] == zone).count() < self.zone_limit
    }

    fn grant(&mut self, node: usize, partition: usize) {
        self.owners[partition].push(node);
        self.held[node] += 1;
    }

    /// All nodes walk their circles and claim what they reach, in the order of time.
    fn walk(&mut self, owning: &[&Seat], circles: &mut Circles) {
        let partitions = self.owners.len();
        let places = circles.of(owning.iter().map(|seat| seat.id), partitions);
        let rates = self.rates();
        let mut arrivals = BinaryHeap::with_capacity(owning.len());
        let mut arrival = |node: usize, step| {
            let stop = circles.stop(places[node], step)?;
            Some(Reverse((stop.time(rates[node]), node, step, stop.partition())))
        };
        arrivals.extend((0..owning.len()).filter_map(|node| arrival(node, 0)));
        let mut missing = self.copies * partitions;
        while missing > 0
            && let Some(mut next) = arrivals.peek_mut()
        {
            let Reverse((_, node, step, partition)) = *next;
            if self.may_own(node, partition) {
                self.grant(node, partition);
                missing -= 1;
            }
            // A node that is full goes home: its later claims would only be refused.
            let full = self.held[node] >= self.caps[node];
            match if full { None } else { arrival(node, step + 1) } {
                Some(arrival) => *next = arrival,
                None => drop(PeekMut::pop(next)),
            }
        }
    }

    /// At what speed each node walks. Most have the share of the one before.
    fn rates(&self) -> Vec<u64> {
        let mut last = (0, circles::rate(0, self.owners.len()));
        let rate = |share: &u64| {
            if last.0 != *share {
                last = (*share, circles::rate(*share, self.owners.len()));
            }
            last.1
        };
        self.shares.iter().map(rate).collect()
    }

    /// Partitions which the walk left short (everyone with room is an owner already, or in a zone
    /// that has its copy) go to whoever is the least above its cap.
    fn fill_gaps(&mut self) {
        for partition in 0..self.owners.len() {
            while self.owners[partition].len() < self.copies {
                let node = (0..self.held.len())
                    .filter(|&node| self.may_own(node, partition))
                    // As `held / cap`, compared without a division.
                    .min_by(|&a, &b| {
                        (self.held[a] * self.caps[b]).cmp(&(self.held[b] * self.caps[a]))
                    })
                    .expect("the zone limit leaves room for every copy");
                self.grant(node, partition);
            }
        }
    }

    /// Puts an owner first in each partition, so that nobody decides for much more than its share.
    ///
    /// The earliest to arrive stays first while it has room. The rest is bipartite matching: a
    /// shortest chain of "you take this one, then I can take that one" that ends at a node with
    /// room. Only the order within owner sets changes, so no data moves.
    fn even_out_first_places(&mut self, owning: &[&Seat]) {
        let total: u64 = owning.iter().map(|seat| u64::from(seat.weight)).sum();
        let places = self.owners.len() as u64;
        let mut room: Vec<u64> = owning
            .iter()
            .map(|seat| (u64::from(seat.weight) * places * FIRSTS_PERCENT).div_ceil(total * 100))
            .collect();

        let mut decides: Vec<Vec<usize>> = vec![Vec::new(); owning.len()];
        let mut crowded = Vec::new();
        for (partition, owners) in self.owners.iter().enumerate() {
            let Some(&first) = owners.first() else { return };
            if room[first] > 0 {
                room[first] -= 1;
                decides[first].push(partition);
            } else {
                crowded.push(partition);
            }
        }
        for partition in crowded {
            self.place_first(partition, &mut room, &mut decides);
        }
    }

    /// Finds the shortest chain (by breadth) and carries it out; if there is none, the partition
    /// keeps the first it has, above the cap.
    fn place_first(&mut self, start: usize, room: &mut [u64], decides: &mut [Vec<usize>]) {
        // How each node was reached: to become the first of which partition.
        let mut via: Vec<Option<usize>> = vec![None; room.len()];
        let mut queue = VecDeque::from([start]);
        let mut end = None;
        'search: while let Some(partition) = queue.pop_front() {
            for &node in &self.owners[partition] {
                if via[node].is_some() {
                    continue;
                }
                via[node] = Some(partition);
                if room[node] > 0 {
                    end = Some(node);
                    break 'search;
                }
                queue.extend(&decides[node]);
            }
        }
        let Some(mut node) = end else {
            decides[self.owners[start][0]].push(start);
            return;
        };
        room[node] -= 1;
        // Backwards along the chain: the node takes its partition from the one who had it.
        while let Some(partition) = via[node] {
            let owners = &mut self.owners[partition];
            let before = owners[0];
            let at = owners.iter().position(|&owner| owner == node).expect("reached as an owner");
            owners[..=at].rotate_right(1);
            decides[node].push(partition);
            if partition == start {
                return;
            }
            decides[before].retain(|&other| other != partition);
            node = before;
        }
    }
}

/// Numbers the zones; a node that names none is a zone by itself.
fn number_zones(owning: &[&Seat]) -> Vec<usize> {
    let mut numbers = BTreeMap::new();
    let mut next = 0..;
    let mut fresh = || next.next().expect("endless");
    owning
        .iter()
        .map(|seat| match seat.zone.0.as_str() {
            "" => fresh(),
            name => *numbers.entry(name).or_insert_with(&mut fresh),
        })
        .collect()
}

/// Binary logarithm of `x > 0` with 24 bits after the point, by repeated squaring: the
/// logarithm of the standard library is a float's, and differs between platforms.
fn log2(x: u64) -> u64 {
    let mut log = u64::from(x.ilog2());
    // Normalised to 1 <= m < 2 with 31 bits after the point.
    let mut m = (x << x.leading_zeros()) >> 32;
    for _ in 0..24 {
        m = (m * m) >> 31;
        // Either is as likely: a branch would be mispredicted every other time.
        let carry = m >> 32;
        log = log << 1 | carry;
        m >>= carry;
    }
    log
}
