//! The network: how long things take, what is lost, what is cut, and links between processes.
//!
//! A link behaves as a QUIC connection does. Its lanes are reliable and ordered: a lost packet is a
//! delay, a cut is a wait, and only the death of a process ends it. A survivor learns of that death
//! when something it sends reaches a process that does not know the link (a stateless reset), or
//! never. Datagrams are lost, reordered and doubled.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use rand::RngExt;
use rand::rngs::ChaCha12Rng;

use crate::plan::Options;
use crate::time::Time;

/// A frame that comes late takes less than so long, in nanoseconds.
const LATE_NS_MAX: u64 = 4_000_000_000;

/// Lanes of a link: four of operations, one for the rest, one of bulk, and large frames.
pub const LANES: usize = 7;

/// The lane that is a connection of its own: it comes up later, and may end by itself.
pub const BULK: usize = 5;

/// Large frames share the connection of that lane, and not its order.
pub const LARGE: usize = 6;

/// A connection for bulk that was silent for so long is closed, in milliseconds.
const BULK_LINGER_MS: u64 = 5_000;

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
    /// Its connection ended, and it arrives nowhere.
    pub lost: bool,
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
    /// Bytes under way. For the lane of bulk; the others share those of the link.
    pub bytes: usize,
    /// For the lane of bulk: when a frame was sent last, if its connection did not end since.
    pub used: Option<Time>,
}

/// A link between two processes. Direction 0 is from end 0 to end 1.
#[derive(Debug)]
pub struct Link {
    /// Its ends; end 0 dialed.
    pub ends: [End; 2],
    /// Its lanes, by direction.
    pub lanes: [[Lane; LANES]; 2],
    /// Bytes under way on all lanes but that of bulk, by direction.
    pub bytes: [usize; 2],
    /// When the process at an end died.
    pub died: [Option<Time>; 2],
}

/// The way from one host to another.
#[derive(Clone, Copy, Debug, Default)]
struct Path {
    latency_ns: u64,
    cut: bool,
    /// When it was mended last.
    mended_at: Time,
    /// Bytes a second that pass; 0 is without limit.
    bytes_per_second: u64,
    /// When the bytes that were sent so far have passed.
    free_at: Time,
    /// The same on the connection for bulk, between whose packets the others pass: it gives way.
    bulk_free_at: Time,
    /// When the last datagram arrives that is not overtaken.
    arrives_at: Time,
}

impl Path {
    /// Returns whether there was something to mend.
    fn mend(&mut self, now: Time) -> bool {
        let cut = std::mem::take(&mut self.cut);
        if cut {
            self.mended_at = now;
        }
        cut
    }
}

/// The network.
pub struct Network {
    rng: ChaCha12Rng,
    /// All links there ever were.
    pub links: Vec<Link>,
    /// The links of each host: the other end's, and the index.
    of_host: Vec<BTreeSet<(usize, usize)>>,
    hosts: usize,
    paths: Vec<Path>,
    /// How many of them are cut.
    cuts: usize,
    slow_ns: Vec<u64>,
    loss_ppm: u32,
    duplicate_ppm: u32,
    jitter_ns_max: u64,
}

impl Network {
    /// A network of so many hosts.
    pub fn new(options: &Options, hosts: usize, mut rng: ChaCha12Rng) -> Network {
        let mut paths = vec![Path { latency_ns: 10_000, ..Path::default() }; hosts * hosts];
        for from in 0..hosts {
            for to in 0..from {
                let ns = rng.random_range(50_000..=options.latency_us_max.max(51) * 1_000);
                paths[from * hosts + to].latency_ns = ns;
                paths[to * hosts + from].latency_ns = ns;
            }
        }
        let mut network = Network {
            rng,
            links: Vec::new(),
            of_host: vec![BTreeSet::new(); hosts],
            hosts,
            paths,
            cuts: 0,
            slow_ns: vec![0; hosts],
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

    /// Limits how many bytes a second pass in one direction; 0 ends the limit.
    pub fn throttle(&mut self, from: usize, to: usize, bytes_per_second: u64) {
        let path = self.path(from, to);
        path.bytes_per_second = bytes_per_second;
        (path.free_at, path.bulk_free_at) = (Time(0), Time(0));
    }

    /// How long bytes that are sent now wait for the bytes before them, and take to pass, in
    /// nanoseconds.
    pub fn queue_ns(&mut self, from: usize, to: usize, bytes: usize, now: Time) -> u64 {
        let path = self.path(from, to);
        if path.bytes_per_second == 0 {
            return 0;
        }
        let takes = bytes as u64 * 1_000_000_000 / path.bytes_per_second;
        path.free_at = path.free_at.max(now).plus_ns(takes);
        path.free_at.0 - now.0
    }

    /// The same on the connection for bulk.
    pub fn bulk_queue_ns(&mut self, from: usize, to: usize, bytes: usize, now: Time) -> u64 {
        let path = self.path(from, to);
        std::mem::swap(&mut path.free_at, &mut path.bulk_free_at);
        let ns = self.queue_ns(from, to, bytes, now);
        let path = self.path(from, to);
        std::mem::swap(&mut path.free_at, &mut path.bulk_free_at);
        ns
    }

    /// How long the bytes sent so far still wait, in nanoseconds.
    pub fn backlog_ns(&self, from: usize, to: usize, now: Time) -> u64 {
        self.paths[from * self.hosts + to].free_at.0.saturating_sub(now.0)
    }

    /// Adds a link. Returns its number.
    pub fn open(&mut self, link: Link) -> usize {
        let number = self.links.len();
        let [a, b] = [link.ends[0].host, link.ends[1].host];
        self.of_host[a].insert((b, number));
        self.of_host[b].insert((a, number));
        self.links.push(link);
        number
    }

    /// The links that processes on that host have or had.
    pub fn links_of(&self, host: usize) -> impl Iterator<Item = usize> {
        self.of_host[host].iter().map(|(_, link)| *link)
    }

    /// Those of them to processes on that other host.
    pub fn links_between(&self, host: usize, other: usize) -> impl Iterator<Item = usize> {
        self.of_host[host].range((other, 0)..=(other, usize::MAX)).map(|(_, link)| *link)
    }

    fn path(&mut self, from: usize, to: usize) -> &mut Path {
        &mut self.paths[from * self.hosts + to]
    }

    /// Makes everything to and from a host take longer.
    pub fn set_slow(&mut self, host: usize, by_us: u64) {
        self.slow_ns[host] = by_us * 1_000;
    }

    /// Cuts one direction.
    pub fn cut(&mut self, from: usize, to: usize) {
        let before = std::mem::replace(&mut self.path(from, to).cut, true);
        self.cuts += usize::from(!before);
    }

    /// Mends one direction.
    pub fn mend(&mut self, from: usize, to: usize, now: Time) {
        let mended = self.path(from, to).mend(now);
        self.cuts -= usize::from(mended);
    }

    /// Mends everything.
    pub fn mend_all(&mut self, now: Time) {
        self.paths.iter_mut().for_each(|path| {
            path.mend(now);
        });
        self.cuts = 0;
    }

    /// Whether something sent now would pass.
    pub fn passes(&self, from: usize, to: usize) -> bool {
        !self.paths[from * self.hosts + to].cut
    }

    /// Whether anything is cut.
    pub fn is_cut(&self) -> bool {
        self.cuts > 0
    }

    /// Whether something sent now would pass, and would have for so long, in milliseconds.
    pub fn has_passed(&self, from: usize, to: usize, for_ms: u64, now: Time) -> bool {
        let path = &self.paths[from * self.hosts + to];
        !path.cut && (path.mended_at == Time::default() || now.ms_since(path.mended_at) >= for_ms)
    }

    /// How long one packet takes.
    pub fn delay_ns(&mut self, from: usize, to: usize) -> u64 {
        let fixed = self.path(from, to).latency_ns + self.slow_ns[from] + self.slow_ns[to];
        fixed + self.rng.random_range(0..self.jitter_ns_max)
    }

    /// When a datagram arrives that would arrive at `at` by itself. In bad weather it may overtake
    /// others. Else it waits for those before it, as in the queues that make delays differ: QUIC
    /// takes three packets that pass another for its loss, and would send slower and slower.
    pub fn arrival(&mut self, from: usize, to: usize, at: Time) -> Time {
        if self.loss_ppm > 0 || self.duplicate_ppm > 0 {
            return at;
        }
        let path = self.path(from, to);
        path.arrives_at = path.arrives_at.max(at);
        path.arrives_at
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

    /// How long a frame takes that comes late.
    pub fn late_ns(&mut self) -> u64 {
        self.rng.random_range(1_000_000..LATE_NS_MAX)
    }

    /// Whether something happens that happens so many times of a million.
    pub fn happens(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.rng.random_range(0..1_000_000) < ppm
    }

    /// Whether a packet is lost.
    pub fn lost(&mut self) -> bool {
        self.happens(self.loss_ppm)
    }

    /// Whether a datagram arrives twice.
    pub fn doubled(&mut self) -> bool {
        self.happens(self.duplicate_ppm)
    }
}

impl Network {
    /// When the connection that carries bulk in a direction of a link can carry what is sent now. It
    /// may end first, with all that is under way on it, so many times of a million; then another one
    /// is dialed.
    pub fn bulk_from(&mut self, link: usize, direction: usize, now: Time, ends_ppm: u32) -> Time {
        let ends = self.happens(ends_ppm);
        let hosts = self.links[link].ends.map(|end| end.host);
        let lanes = &mut self.links[link].lanes[direction];
        if ends {
            for lane in [BULK, LARGE] {
                lanes[lane].queue.iter_mut().for_each(|frame| frame.lost = true);
            }
            lanes[BULK].used = None;
        }
        let lane = &mut lanes[BULK];
        let used = lane.used.replace(now);
        if used.is_some_and(|used| now.ms_since(used) < BULK_LINGER_MS) {
            return now;
        }
        // A round trip of QUIC and TLS, the Hello of the one that was dialed, and that of the other.
        let [from, to] = [hosts[direction], hosts[1 - direction]];
        let ns = [(from, to), (to, from), (to, from)].map(|(a, b)| self.reliable_ns(a, b).0);
        now.plus_ns(ns.iter().sum())
    }
}

impl Link {
    /// How many bytes are under way on a lane, or on those that share its connection.
    pub fn under_way(&mut self, direction: usize, lane: usize) -> &mut usize {
        match lane {
            BULK | LARGE => &mut self.lanes[direction][lane].bytes,
            _ => &mut self.bytes[direction],
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios;
    use crate::streams::{Purpose, stream};

    #[test]
    fn a_datagram_overtakes_another_in_bad_weather_only() {
        let plan = scenarios::find("kill").expect("it is there").plan(1, None);
        let mut network = Network::new(&plan.options, 2, stream(1, Purpose::Network, 0));
        network.set_weather(0, 0, 1_000);
        assert_eq!(network.arrival(0, 1, Time::ms(5)), Time::ms(5));
        assert_eq!(network.arrival(0, 1, Time::ms(3)), Time::ms(5));
        assert_eq!(network.arrival(1, 0, Time::ms(3)), Time::ms(3), "another way");
        network.set_weather(1, 0, 1_000);
        assert_eq!(network.arrival(0, 1, Time::ms(3)), Time::ms(3));
    }
}
