//! Who answers now. Independent of membership: SWIM takes seconds to be sure that a member is dead,
//! and a client must not wait that long for one that hangs.
//!
//! A peer with requests outstanding and no frame for max(50 ms, 4 x its 99th-percentile round trip)
//! is *unresponsive*: not waited for, not preferred, probed five times a second. Any frame from it
//! clears that. Nothing here says that it is dead.
//!
//! A peer whose frames come, and among them no answer for longer than that, is *deaf*: the way there
//! is cut, and the way back is not. It is unresponsive, too, until an answer comes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::placement::NodeId;
use crate::store::{Mono, Rules};

/// Least silence that makes a peer with requests outstanding unresponsive, in nanoseconds.
const SILENCE_NS_MIN: u64 = 50_000_000;
/// As long as no round trip is known, in nanoseconds: four of QUIC's own first guess of 50 ms. For
/// so long after a link came up it is the most, because the answer to the first question may yet come
/// ([`Responsiveness::met`]): over a way of 100 ms the first answer to a request came too late, and
/// what its sender had decided was decided twice.
const SILENCE_NS_UNKNOWN: u64 = 200_000_000;
/// Most, in nanoseconds: a peer that is always slow is still given up for a quicker one.
const SILENCE_NS_MAX: u64 = 400_000_000;
/// A peer whose frames come, and no answers, is deaf after so long, in nanoseconds, or after twice
/// the silence that would have been enough: what is lost three times in a row comes so late, too.
const DEAF_NS_MIN: u64 = 300_000_000;
/// Time between probes of an unresponsive peer, in milliseconds.
const PROBE_MS: u64 = 200;
/// Time between probes of the one peer that a node watches, in milliseconds: less than half of what a
/// node without seeds waits to be called.
const WATCH_MS: u64 = 500;

/// One peer's pulse.
#[derive(Clone, Copy, Debug)]
struct Pulse {
    /// Requests without an answer.
    outstanding: u32,
    /// Somebody gave up a request, or asked something else, and no frame came since: one is due.
    due: bool,
    /// When the peer last sent something, or was first asked after having nothing to answer.
    quiet_since: Mono,
    /// When the peer last answered something, or was asked after having answered all; `None` if there
    /// is nothing to answer.
    unanswered_since: Option<Mono>,
    /// When its link came up, and it was first asked whether it is there.
    up_at: Mono,
    /// The last round trip, whatever it says of the way, in nanoseconds.
    last_ns: u64,
    /// Smoothed round trip and mean deviation (RFC 6298), in nanoseconds.
    rtt_ns: u64,
    deviation_ns: u64,
    unresponsive: bool,
    /// And any frame does not change that, but an answer.
    deaf: bool,
    next_probe: Mono,
}

/// The pulses of all peers with a link.
#[derive(Debug, Default)]
pub struct Responsiveness {
    rules: Rules,
    peers: BTreeMap<NodeId, Pulse>,
    /// When each of those that owe something, or are unresponsive, wants to be looked at. Asked after
    /// every turn; most peers owe nothing.
    deadlines: BTreeSet<(Mono, NodeId)>,
    next_watch: Mono,
}

impl Responsiveness {
    /// Nobody is there yet.
    pub fn new(rules: Rules) -> Responsiveness {
        Responsiveness { rules, ..Responsiveness::default() }
    }

    /// Changes the pulse of a peer, if it has a link. All changes go through here, so that its
    /// deadline is right after each of them.
    fn change<R>(&mut self, peer: NodeId, change: impl FnOnce(&mut Pulse) -> R) -> Option<R> {
        let pulse = self.peers.get_mut(&peer)?;
        let before = pulse.deadline();
        let result = change(pulse);
        let after = pulse.deadline();
        if before != after {
            before.map(|before| self.deadlines.remove(&(before, peer)));
            after.map(|after| self.deadlines.insert((after, peer)));
        }
        Some(result)
    }

    /// A link came up, and the peer is asked whether it is there. It starts as responsive.
    pub fn up(&mut self, peer: NodeId, now: Mono) {
        self.peers.entry(peer).or_insert(Pulse {
            outstanding: 0,
            due: false,
            quiet_since: now,
            unanswered_since: None,
            up_at: now,
            last_ns: 0,
            rtt_ns: 0,
            deviation_ns: 0,
            unresponsive: false,
            deaf: false,
            next_probe: now,
        });
        self.heard(peer, true, now);
    }

    /// The last link is gone.
    pub fn down(&mut self, peer: NodeId) {
        if let Some(deadline) = self.peers.remove(&peer).and_then(|pulse| pulse.deadline()) {
            self.deadlines.remove(&(deadline, peer));
        }
    }

    /// A request left.
    pub fn sent(&mut self, peer: NodeId, now: Mono) {
        self.change_judged(peer, |pulse| {
            if !pulse.owes() {
                pulse.quiet_since = now;
            }
            pulse.outstanding += 1;
            pulse.unanswered_since.get_or_insert(now);
        });
    }

    /// Something else left that the peer answers at once.
    pub fn expected(&mut self, peer: NodeId, now: Mono) {
        self.change(peer, |pulse| {
            if !pulse.owes() {
                pulse.quiet_since = now;
            }
            pulse.due = true;
        });
    }

    fn change_judged(&mut self, peer: NodeId, change: impl FnOnce(&mut Pulse)) {
        if self.rules.responsiveness() {
            self.change(peer, change);
        }
    }

    /// Anything came from the peer; `answers` says whether it shows that the peer hears this node.
    /// Returns whether it had been unresponsive.
    pub fn heard(&mut self, peer: NodeId, answers: bool, now: Mono) -> bool {
        let was_unresponsive = self.change(peer, |pulse| {
            pulse.quiet_since = now;
            pulse.due = false;
            if answers {
                pulse.unanswered_since = (pulse.outstanding > 0).then_some(now);
                pulse.deaf = false;
            }
            !pulse.deaf && std::mem::take(&mut pulse.unresponsive)
        });
        was_unresponsive.unwrap_or(false)
    }

    /// An answer came; after so long, if that says something about the way there.
    pub fn answered(&mut self, peer: NodeId, rtt_ns: Option<u64>) {
        self.change(peer, |pulse| {
            pulse.outstanding = pulse.outstanding.saturating_sub(1);
            if pulse.outstanding == 0 {
                pulse.unanswered_since = None;
            }
            if let Some(rtt_ns) = rtt_ns {
                pulse.time(rtt_ns);
            }
        });
    }

    /// It says that it is there: how far away it is, if that is not known better.
    pub fn met(&mut self, peer: NodeId, now: Mono) {
        self.change(peer, |pulse| {
            if pulse.rtt_ns == 0 && pulse.last_ns == 0 {
                pulse.time(now.since(pulse.up_at));
            }
        });
    }

    /// A round trip took so long.
    pub fn timed(&mut self, peer: NodeId, rtt_ns: u64) {
        self.change(peer, |pulse| pulse.time(rtt_ns));
    }

    /// Nobody waits for that answer any more. A peer that lives sends it all the same; without
    /// that, one that is dead would never be noticed by those who have somebody else to ask.
    pub fn given_up(&mut self, peer: NodeId) {
        self.change_judged(peer, |pulse| {
            pulse.outstanding = pulse.outstanding.saturating_sub(1);
            pulse.due = true;
        });
    }

    /// This node did not run for a while: the silence was its own.
    pub fn forgive(&mut self, now: Mono) {
        for pulse in self.peers.values_mut() {
            pulse.quiet_since = now;
            pulse.unanswered_since = pulse.unanswered_since.map(|_| now);
        }
        let deadline = |(peer, pulse): (&NodeId, &Pulse)| Some((pulse.deadline()?, *peer));
        self.deadlines = self.peers.iter().filter_map(deadline).collect();
    }

    /// Those whose deadline has come, by id.
    fn due(&self, now: Mono) -> Vec<NodeId> {
        let due = self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now);
        let mut due: Vec<NodeId> = due.map(|(_, peer)| *peer).collect();
        due.sort_unstable();
        due
    }

    /// Peers that have become unresponsive by now.
    pub fn judge(&mut self, now: Mono) -> Vec<NodeId> {
        let mut silent = self.due(now);
        silent.retain(|peer| {
            let falls_silent = |pulse: &mut Pulse| {
                let silent = !pulse.unresponsive;
                if silent {
                    pulse.unresponsive = true;
                    pulse.deaf = pulse.deaf_from().is_some_and(|from| now >= from);
                    pulse.next_probe = now;
                }
                silent
            };
            self.change(*peer, falls_silent).unwrap_or(false)
        });
        silent
    }

    /// Unresponsive peers whose next probe is due, and the one that is watched.
    pub fn probes(&mut self, own: NodeId, now: Mono) -> Vec<NodeId> {
        let mut due = self.due(now);
        due.retain(|peer| {
            let is_probed = |pulse: &mut Pulse| {
                let due = pulse.unresponsive;
                if due {
                    pulse.next_probe = now.plus_ms(PROBE_MS);
                }
                due
            };
            self.change(*peer, is_probed).unwrap_or(false)
        });
        if now >= self.next_watch && self.rules.watches() {
            self.next_watch = now.plus_ms(WATCH_MS);
            due.extend(self.watched(own).filter(|peer| self.is_responsive(*peer)));
        }
        due
    }

    /// The next peer in the order of ids, so that each is watched by one. One that was started anew
    /// within a moment, and was given no seed, is called only by whoever notices, and serves alone
    /// until then: where nothing is asked of it, that is who says something to it.
    fn watched(&self, own: NodeId) -> Option<NodeId> {
        let behind = self.peers.range((Bound::Excluded(own), Bound::Unbounded)).next();
        behind.or_else(|| self.peers.first_key_value()).map(|(peer, _)| *peer)
    }

    /// Whether there is a link to that peer and it answers.
    pub fn is_responsive(&self, peer: NodeId) -> bool {
        self.peers.get(&peer).is_some_and(|pulse| !pulse.unresponsive)
    }

    /// Smoothed round trip, in microseconds; 0 while unknown.
    pub fn rtt_us(&self, peer: NodeId) -> u64 {
        self.peers.get(&peer).map_or(0, |pulse| pulse.rtt_ns / 1_000)
    }

    /// How long what comes from a peer was under way, in milliseconds: about so long at least, and
    /// perhaps so long. One that does not answer may have said long ago what comes now.
    pub fn way_ms(&self, peer: NodeId) -> (u64, u64) {
        self.peers.get(&peer).map_or((0, 0), |pulse| {
            let ms = |ns: u64| ns / 2_000_000;
            let longest = ms(pulse.rtt_ns.max(pulse.last_ns));
            (ms(pulse.rtt_ns), if pulse.unresponsive { u64::MAX } else { longest })
        })
    }

    /// When [`Responsiveness::judge`] or [`Responsiveness::probes`] has something to do.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }
}

impl Pulse {
    /// Whether a frame is to be expected from it.
    fn owes(&self) -> bool {
        self.outstanding > 0 || self.due
    }

    /// When it is to be looked at again.
    fn deadline(&self) -> Option<Mono> {
        if self.unresponsive { Some(self.next_probe) } else { self.limit() }
    }

    /// A round trip took so long.
    fn time(&mut self, rtt_ns: u64) {
        self.last_ns = rtt_ns;
        if rtt_ns > SILENCE_NS_MAX {
            // That was a cut or a hang, not the way there; and learning it would make the next one
            // be noticed late.
            return;
        }
        // Nor how long it took while packets were lost: one sample says little, and the next cut
        // is to be noticed as soon as this one.
        let rtt_ns = match self.rtt_ns {
            0 => rtt_ns,
            _ => rtt_ns.min(self.p99_ns().max(SILENCE_NS_MIN / 4)),
        };
        if self.rtt_ns == 0 {
            (self.rtt_ns, self.deviation_ns) = (rtt_ns.max(1), rtt_ns / 2);
        } else {
            let off = self.rtt_ns.abs_diff(rtt_ns);
            self.deviation_ns = self.deviation_ns - self.deviation_ns / 4 + off / 4;
            self.rtt_ns = (self.rtt_ns - self.rtt_ns / 8 + rtt_ns / 8).max(1);
        }
    }

    /// When it becomes unresponsive, if nothing more comes.
    fn limit(&self) -> Option<Mono> {
        let silent =
            self.owes().then(|| Mono(self.quiet_since.0 + self.silence_ns(self.quiet_since)));
        silent.into_iter().chain(self.deaf_from()).min()
    }

    /// When it counts as deaf, if no answer comes.
    fn deaf_from(&self) -> Option<Mono> {
        let since = self.unanswered_since?;
        let patience_ns = DEAF_NS_MIN.max(2 * self.silence_ns(since));
        Some(Mono(since.0 + patience_ns))
    }

    fn silence_ns(&self, since: Mono) -> u64 {
        match self.rtt_ns {
            0 if since.since(self.up_at) < SILENCE_NS_UNKNOWN => SILENCE_NS_MAX,
            0 => SILENCE_NS_UNKNOWN,
            _ => (4 * self.p99_ns()).clamp(SILENCE_NS_MIN, SILENCE_NS_MAX),
        }
    }

    /// For a round trip that is roughly normal, mean plus three mean deviations is about the 99th
    /// percentile.
    fn p99_ns(&self) -> u64 {
        self.rtt_ns + 3 * self.deviation_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = NodeId([1; 16]);

    fn ms(ms: u64) -> Mono {
        Mono(0).plus_ms(ms)
    }

    /// With a link to a peer whose answers take a millisecond.
    fn pulses() -> Responsiveness {
        let mut pulses = Responsiveness::default();
        pulses.up(PEER, ms(0));
        pulses.timed(PEER, 1_000_000);
        pulses
    }

    #[test]
    fn silence_counts_only_while_something_is_outstanding() {
        let mut pulses = pulses();
        assert!(pulses.judge(ms(10_000)).is_empty());
        pulses.sent(PEER, ms(10_000));
        assert!(pulses.judge(ms(10_049)).is_empty());
        assert_eq!(pulses.judge(ms(10_050)), [PEER]);
        assert!(!pulses.is_responsive(PEER));
        assert!(pulses.heard(PEER, false, ms(10_060)), "any frame clears it");
        assert!(pulses.is_responsive(PEER));
    }

    #[test]
    fn a_request_that_was_given_up_is_still_to_be_answered() {
        let mut pulses = pulses();
        pulses.sent(PEER, ms(0));
        pulses.given_up(PEER);
        assert_eq!(pulses.judge(ms(50)), [PEER]);
        pulses.heard(PEER, true, ms(60));
        assert!(pulses.judge(ms(1_000)).is_empty(), "and that was the answer");
    }

    #[test]
    fn a_peer_that_is_heard_and_does_not_answer_is_deaf_until_it_does() {
        let mut pulses = pulses();
        pulses.sent(PEER, ms(0));
        for t in (0..300).step_by(10) {
            pulses.heard(PEER, false, ms(t));
            assert!(pulses.judge(ms(t)).is_empty(), "{t}");
        }
        assert_eq!(pulses.judge(ms(300)), [PEER]);
        assert!(!pulses.heard(PEER, false, ms(310)), "it does not hear this node");
        assert!(!pulses.is_responsive(PEER));
        assert!(pulses.heard(PEER, true, ms(320)));
        pulses.answered(PEER, None);
        assert!(pulses.judge(ms(1_000)).is_empty(), "and it owes nothing more");
    }

    #[test]
    fn an_unresponsive_peer_is_probed_five_times_a_second() {
        let mut pulses = pulses();
        pulses.sent(PEER, ms(0));
        pulses.judge(ms(60));
        let probes =
            (60..1_060).filter(|t| !pulses.probes(NodeId([9; 16]), ms(*t)).is_empty()).count();
        assert_eq!(probes, 5);
    }

    #[test]
    fn each_of_several_is_watched_by_the_one_before() {
        let node = |id: u8| NodeId([id; 16]);
        for own in 1..=3 {
            let mut pulses = Responsiveness::default();
            (1..=3).filter(|id| *id != own).for_each(|id| pulses.up(node(id), ms(0)));
            assert_eq!(pulses.probes(node(own), ms(0)), [node(own % 3 + 1)]);
            assert_eq!(pulses.probes(node(own), ms(WATCH_MS - 1)), []);
            assert_eq!(pulses.probes(node(own), ms(WATCH_MS)), [node(own % 3 + 1)]);
        }
    }

    #[test]
    fn a_peer_that_never_answered_yet_may_be_far_away() {
        let mut pulses = Responsiveness::default();
        pulses.up(PEER, ms(0));
        pulses.sent(PEER, ms(0));
        assert!(pulses.judge(ms(399)).is_empty());
        assert_eq!(pulses.judge(ms(400)), [PEER]);
        // But who has had the time to say how far away it is, and has not.
        let mut pulses = Responsiveness::default();
        pulses.up(PEER, ms(0));
        pulses.sent(PEER, ms(1_000));
        assert!(pulses.judge(ms(1_199)).is_empty());
        assert_eq!(pulses.judge(ms(1_200)), [PEER]);
        // And who has said it is known, though it was asked for nothing yet.
        let mut pulses = Responsiveness::default();
        pulses.up(PEER, ms(0));
        pulses.met(PEER, ms(220));
        pulses.met(PEER, ms(900));
        pulses.sent(PEER, ms(1_000));
        assert!(pulses.judge(ms(1_399)).is_empty());
        assert_eq!(pulses.judge(ms(1_400)), [PEER]);
    }

    #[test]
    fn a_slow_peer_is_given_more_time() {
        let mut pulses = Responsiveness::default();
        pulses.up(PEER, ms(0));
        for _ in 0..50 {
            pulses.sent(PEER, ms(0));
            pulses.answered(PEER, Some(40_000_000));
        }
        pulses.sent(PEER, ms(0));
        assert!(pulses.judge(ms(150)).is_empty());
        assert_eq!(pulses.judge(ms(400)), [PEER]);
    }
}
