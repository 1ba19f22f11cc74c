//! A timeline: the faults of a plan, drawn one after the other, each with its mending.

use std::ops::Range;

use rand::RngExt;
use rand::rngs::ChaCha12Rng;

use crate::plan::{Fault, Options, Timed};

/// Faults, and where in time the drawing stands.
pub(super) struct Timeline<'a> {
    /// What the run is like.
    pub options: &'a Options,
    /// Randomness.
    pub rng: &'a mut ChaCha12Rng,
    /// Where the drawing stands, in milliseconds.
    pub now_ms: u64,
    faults: Vec<Timed<Fault>>,
}

impl<'a> Timeline<'a> {
    /// Begins when the cluster has formed.
    pub(super) fn new(options: &'a Options, rng: &'a mut ChaCha12Rng) -> Timeline<'a> {
        Timeline { options, rng, now_ms: options.formed_ms, faults: Vec::new() }
    }

    /// Whether there is time left for faults.
    pub(super) fn goes_on(&self) -> bool {
        self.now_ms < self.options.healed_ms
    }

    /// What was drawn.
    pub(super) fn faults(self) -> Vec<Timed<Fault>> {
        self.faults
    }

    /// Some milliseconds pass. Returns how many.
    pub(super) fn pass(&mut self, ms: Range<u64>) -> u64 {
        let ms = self.draw(ms);
        self.now_ms += ms;
        ms
    }

    /// A number of a range.
    pub(super) fn draw(&mut self, range: Range<u64>) -> u64 {
        self.rng.random_range(range)
    }

    /// One of the nodes that are there from the beginning.
    pub(super) fn node(&mut self) -> usize {
        self.rng.random_range(0..self.options.nodes)
    }

    /// Two different nodes, if there are two.
    pub(super) fn pair(&mut self) -> (usize, usize) {
        let nodes = self.options.nodes;
        let from = self.rng.random_range(0..nodes);
        (from, (from + self.rng.random_range(1..nodes.max(2))) % nodes)
    }

    /// Each node with even odds.
    pub(super) fn half(&mut self) -> Vec<usize> {
        (0..self.options.nodes).filter(|_| self.rng.random_bool(0.5)).collect()
    }

    /// Something happens now.
    pub(super) fn happens(&mut self, what: Fault) {
        self.happens_in(0, what);
    }

    /// Something happens in so many milliseconds.
    pub(super) fn happens_in(&mut self, ms: u64, what: Fault) {
        self.faults.push(Timed { at_ms: self.now_ms + ms, what });
    }

    /// A node starts again in so many milliseconds.
    pub(super) fn starts_in(&mut self, ms: u64, node: usize) {
        let seeded = self.options.restarts_seeded;
        self.happens_in(ms, Fault::Start { node, seeded });
    }

    /// A node is killed, and started again.
    pub(super) fn crash(&mut self, node: usize, for_ms: u64) {
        self.happens(Fault::Crash { node });
        self.starts_in(for_ms, node);
    }

    /// A node is asked to stop, and started again.
    pub(super) fn restart(&mut self, node: usize, in_ms: u64) {
        self.happens(Fault::Stop { node });
        self.starts_in(in_ms, node);
    }

    /// A node is stopped with its memory, and goes on.
    pub(super) fn stall(&mut self, node: usize, for_ms: u64) {
        self.happens(Fault::Stall { node });
        self.happens_in(for_ms, Fault::Resume { node });
    }

    /// Some nodes are apart from the rest.
    pub(super) fn split(&mut self, nodes: Vec<usize>, for_ms: u64) {
        self.happens(Fault::Partition { nodes });
        self.happens_in(for_ms, Fault::Unite);
    }

    /// Some nodes are apart from the rest, and after that each finds each of the rest again some time
    /// within so long.
    pub(super) fn split_raggedly(&mut self, nodes: Vec<usize>, for_ms: u64, over_ms: u64) {
        let outside = |node: &usize| !nodes.contains(node);
        let outside: Vec<usize> = (0..self.options.nodes).filter(outside).collect();
        for (from, to) in nodes.iter().flat_map(|node| outside.iter().map(move |o| (*node, *o))) {
            let after = for_ms + self.draw(0..over_ms);
            self.part((from, to), after);
        }
    }

    /// Nothing passes between two nodes.
    pub(super) fn part(&mut self, (a, b): (usize, usize), for_ms: u64) {
        self.cut((a, b), for_ms);
        self.cut((b, a), for_ms);
    }

    /// Nothing passes in one direction.
    pub(super) fn cut(&mut self, (from, to): (usize, usize), for_ms: u64) {
        self.happens(Fault::Cut { from, to });
        self.happens_in(for_ms, Fault::Mend { from, to });
    }

    /// Packets are lost, doubled, reordered and delayed at rates of at most these.
    pub(super) fn weather(&mut self, loss_ppm: u32, duplicate_ppm: u32, jitter_us_max: u64) {
        let weather = Fault::Weather {
            loss_ppm: self.rng.random_range(0..loss_ppm),
            duplicate_ppm: self.rng.random_range(0..duplicate_ppm),
            jitter_us_max: self.rng.random_range(100..jitter_us_max),
        };
        self.happens(weather);
    }

    /// Packets fare again as in the beginning.
    pub(super) fn calms_in(&mut self, ms: u64) {
        let Options { loss_ppm, duplicate_ppm, jitter_us_max, .. } = *self.options;
        self.happens_in(ms, Fault::Weather { loss_ppm, duplicate_ppm, jitter_us_max });
    }

    /// A node is slow.
    pub(super) fn slow(&mut self, node: usize, by_us: u64, for_ms: u64) {
        self.happens(Fault::Slow { node, by_us });
        self.happens_in(for_ms, Fault::Slow { node, by_us: 0 });
    }

    /// Few bytes pass from one node to another.
    pub(super) fn throttle(&mut self, pair: (usize, usize), bytes_per_second: u64, for_ms: u64) {
        let (from, to) = pair;
        self.happens(Fault::Throttle { from, to, bytes_per_second });
        self.happens_in(for_ms, Fault::Throttle { from, to, bytes_per_second: 0 });
    }
}
