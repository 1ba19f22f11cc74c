//! The network: how long things take, what is lost, what is cut, and links between processes.
//!
//! A link behaves as a QUIC connection does. Its lanes are reliable and ordered: a lost packet is a
//! delay, a cut is a wait, and only the death of a process ends it. A survivor learns of that death
//! when something it sends reaches a process that does not know the link (a stateless reset), or
//! never. Datagrams are lost, reordered and doubled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use rand::RngExt;
use rand::rngs::ChaCha12Rng;

use crate::plan::Options;
use crate::time::Time;

/// Lanes of a link: four of operations, one for the rest.
pub const LANES: usize = 5;

/// Bytes under way on one link in one direction; a frame beyond is dropped, as the driver does.
pub const IN_FLIGHT_BYTES_MAX: usize = 8 << 20;

/// Shortest time after which a lost packet is sent again, in nanoseconds.
const PROBE_NS_MIN: u64 = 15_000_000;

/// One end of a link.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// The host.
    pub host: usize,
    /// The life of the process on it.
    pub life: u32,
    /// Whether that process has the link.
    pub open: bool,
}

/// A frame under way.
#[derive(Debug)]
pub struct InFlight {
    /// The frame.
    pub bytes: Bytes,
    /// When its last packet was sent; a sender that died before that never sent it.
    pub last_sent: Time,
}

/// One direction of a lane.
#[derive(Debug, Default)]
pub struct Lane {
    /// Frames under way, in order.
    pub queue: VecDeque<InFlight>,
    /// When the last of them arrives.
    pub last_arrival: Time,
    /// Frames that should have arrived, and wait for a cut to be mended.
    pub waiting: usize,
}

/// A link between two processes. Direction 0 is from end 0 to end 1.
#[derive(Debug)]
pub struct Link {
    /// Its ends; end 0 dialed.
    pub ends: [End; 2],
    /// Its lanes, by direction.
    pub lanes: [[Lane; LANES]; 2],
    /// Bytes under way, by direction.
    pub bytes: [usize; 2],
    /// When the process at an end died.
    pub died: [Option<Time>; 2],
}

/// The network.
pub struct Network {
    rng: ChaCha12Rng,
    /// All links there ever were.
    pub links: Vec<Link>,
    cuts: BTreeSet<(usize, usize)>,
    latency_ns: BTreeMap<(usize, usize), u64>,
    slow_ns: BTreeMap<usize, u64>,
    loss_ppm: u32,
    duplicate_ppm: u32,
    jitter_ns_max: u64,
}

impl Network {
    /// A network of so many hosts.
    pub fn new(options: &Options, hosts: usize, mut rng: ChaCha12Rng) -> Network {
        let mut latency_ns = BTreeMap::new();
        for from in 0..hosts {
            for to in 0..from {
                let ns = rng.random_range(50_000..=options.latency_us_max.max(51) * 1_000);
                latency_ns.insert((from, to), ns);
                latency_ns.insert((to, from), ns);
            }
        }
        let mut network = Network {
            rng,
            links: Vec::new(),
            cuts: BTreeSet::new(),
            latency_ns,
            slow_ns: BTreeMap::new(),
            loss_ppm: 0,
            duplicate_ppm: 0,
            jitter_ns_max: 0,
        };
        network.set_weather(options.loss_ppm, options.duplicate_ppm, options.jitter_us_max);
        network
    }

    /// Sets what happens to packets from now on.
    pub fn set_weather(&mut self, loss_ppm: u32, duplicate_ppm: u32, jitter_us_max: u64) {
        self.loss_ppm = loss_ppm;
        self.duplicate_ppm = duplicate_ppm;
        self.jitter_ns_max = jitter_us_max.max(1) * 1_000;
    }

    /// Makes everything to and from a host take longer.
    pub fn set_slow(&mut self, host: usize, by_us: u64) {
        self.slow_ns.insert(host, by_us * 1_000);
    }

    /// Cuts one direction.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.cuts.insert((from, to));
    }

    /// Mends one direction.
    pub fn mend(&mut self, from: usize, to: usize) {
        self.cuts.remove(&(from, to));
    }

    /// Mends everything.
    pub fn mend_all(&mut self) {
        self.cuts.clear();
    }

    /// Whether something sent now would pass.
    pub fn passes(&self, from: usize, to: usize) -> bool {
        !self.cuts.contains(&(from, to))
    }

    /// How long one packet takes.
    pub fn delay_ns(&mut self, from: usize, to: usize) -> u64 {
        let slow = |host| self.slow_ns.get(&host).copied().unwrap_or_default();
        let base = self.latency_ns.get(&(from, to)).copied().unwrap_or(10_000);
        let fixed = base + slow(from) + slow(to);
        fixed + self.rng.random_range(0..self.jitter_ns_max)
    }

    /// How long a frame takes that is sent again until it passes: (first packet to arrival, first
    /// packet to last packet sent).
    pub fn reliable_ns(&mut self, from: usize, to: usize) -> (u64, u64) {
        let mut sent = 0;
        let mut again = (2 * self.delay_ns(from, to)).max(PROBE_NS_MIN);
        while self.lost() && sent < 4_000_000_000 {
            sent += again;
            again *= 2;
        }
        (sent + self.delay_ns(from, to), sent)
    }

    /// How long after a mended cut a waiting sender tries again: it had backed off.
    pub fn patience_ns(&mut self) -> u64 {
        self.rng.random_range(5_000_000..400_000_000)
    }

    /// Whether a packet is lost.
    pub fn lost(&mut self) -> bool {
        self.loss_ppm > 0 && self.rng.random_range(0..1_000_000) < self.loss_ppm
    }

    /// Whether a datagram arrives twice.
    pub fn doubled(&mut self) -> bool {
        self.duplicate_ppm > 0 && self.rng.random_range(0..1_000_000) < self.duplicate_ppm
    }
}

impl Link {
    /// A link that was dialed by `from`, whose end is open already.
    pub fn new(from: (usize, u32), to: (usize, u32)) -> Link {
        let end = |(host, life), open| End { host, life, open };
        Link {
            ends: [end(from, true), end(to, false)],
            lanes: Default::default(),
            bytes: [0; 2],
            died: [None; 2],
        }
    }

    /// Which end a host is at.
    pub fn side(&self, host: usize) -> usize {
        usize::from(self.ends[0].host != host)
    }
}
