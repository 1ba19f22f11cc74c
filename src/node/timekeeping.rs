//! Keeping physical time with the cluster: what the peers' frames show of their clocks, and what
//! follows for this node's.
//!
//! A stamp too far ahead of its receiver's clock is refused, so a node whose clock is off could not
//! write. Where it is off the median of the cluster by more than half of that bound, it follows the
//! median, so that no two are further apart than is believed; where its own wall clock jumps, it
//! follows only if a majority of the peers shows the same time.
//!
//! A frame shows its sender's clock late by the way it took, about half of a round trip, and the
//! queues it stood in. So of several frames the one that shows the latest time is right; unless its
//! sender has moved its clock meanwhile, as who has just started may have to.

use std::collections::BTreeMap;

use super::codec::Header;
use crate::placement::NodeId;
use crate::store::clock::AHEAD_MS_MAX;
use crate::store::{Clock, Mono, Now};

/// Time between two corrections, in milliseconds.
const STEER_MS: u64 = 100;
/// Time between two complaints about the wall clock, in milliseconds.
const COMPLAIN_MS: u64 = 10_000;
/// Time after a gap in this node's turns until the next correction, in milliseconds: what waited
/// meanwhile must have been overtaken by news.
const AFTER_GAP_MS: u64 = 1_000;
/// How long an observation counts: for this window and the next, in milliseconds. Longer than frames
/// are under way, and not much longer, because a peer may have given in to its own peers since.
const WINDOW_MS: u64 = 1_000;
/// What a peer shows after a silence of two windows counts only so much later, in milliseconds: what
/// had waited for a way to open again comes first, and is as old as the silence.
const AFTER_SILENCE_MS: u64 = 300;
/// So long after it was first heard, in milliseconds, a peer's clock counts: it may have just
/// started, and is about to give in to the others.
const SETTLING_MS: u64 = 300;
/// So long after this node has compared its clock for the first time, in milliseconds, others' count
/// at once.
const JOINING_MS: u64 = 1_000;
/// Where half of the clocks are ahead of the other half, those are followed so far, in milliseconds.
const TIE_MS_MAX: i64 = 60_000;
/// How far a clock may be off the median of all, in milliseconds. Two of them are then no further
/// apart than a stamp may be ahead.
const OFF_MS_MAX: i64 = AHEAD_MS_MAX as i64 / 2;
/// A wall clock that is no further from what is shown than this, in milliseconds, is followed without
/// another look at the others: as far as one correction goes.
const NEAR_MS: i64 = 5;
/// No wall clock is followed further from the median than this, in milliseconds. Less than what is
/// corrected, by more than what is shown of a clock varies.
const HOLD_MS: i64 = 200;

/// How far a peer's clock is ahead of this node's physical time, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Lead {
    since: Mono,
    current: i64,
    previous: i64,
    /// From when on it counts.
    counts_from: Mono,
    /// Nothing has been heard since then.
    settling: bool,
    /// When it was last seen to have stamped something too far ahead to be believed.
    stamped: Option<Mono>,
}

impl Lead {
    fn shown(&self) -> i64 {
        self.current.max(self.previous)
    }

    /// What a frame shows; alone it would be `fresh`.
    fn hear(&mut self, fresh: Lead) {
        let (now, silence) = (fresh.since, fresh.since.since(self.since));
        let Lead { counts_from, settling, .. } = *self;
        if settling && counts_from <= now {
            *self = Lead { counts_from: now, settling: false, ..fresh };
        } else if silence > 2 * WINDOW_MS * 1_000_000 {
            let counts_from = now.plus_ms(AFTER_SILENCE_MS);
            *self = Lead { counts_from, settling: false, ..fresh };
        } else if silence > WINDOW_MS * 1_000_000 {
            *self = Lead { previous: self.current, counts_from, settling, ..fresh };
        }
        self.current = self.current.max(fresh.current);
    }

    /// Whether it is further away than from the median it may be.
    fn is_off(&self) -> bool {
        self.shown().abs() > OFF_MS_MAX
    }
}

/// The peers' clocks, as far as their frames show them.
#[derive(Debug, Default)]
pub struct Timekeeping {
    leads: BTreeMap<NodeId, Lead>,
    /// How many of them are off: nearly always none, and then nobody has to be looked at.
    off: usize,
    next: Mono,
    next_complaint: Mono,
    /// It became a member, and has not compared its clock yet.
    newcomer: bool,
    /// Up to then, and before it has compared its clock, others count as soon as they are heard.
    joining_until: Option<Mono>,
    /// Frames whose time was too far ahead to be believed.
    pub refused: u64,
}

impl Timekeeping {
    /// A frame came with that header, by a way that takes so many milliseconds at least, and so many
    /// at most. While this node is `late`, frames may have stood in queues for as long as it did not
    /// run, and say nothing about clocks.
    pub fn observe(
        &mut self,
        from: NodeId,
        Header { hlc, ahead_ms, .. }: Header,
        way_ms: (u64, u64),
        late: bool,
        clock: &Clock,
        now: Now,
    ) {
        let settled = self.joining_until.is_some_and(|until| until <= now.mono);
        let settling = settled && clock.rules().settling();
        let settles = |lead: &Lead| lead.settling && now.mono < lead.counts_from;
        // The hybrid time of one that is about to give in is its clock, which all would keep.
        let gives_in = self.leads.get(&from).map_or(settling, settles) && !late;
        if !gives_in && !clock.observe(hlc, now.mono) {
            self.refused += 1;
        }
        if late {
            return;
        }
        let theirs = hlc.ms().saturating_sub(u64::from(ahead_ms)) as i64;
        let own = clock.physical_ms(now.mono) as i64;
        let by =
            |way_ms: u64| (theirs - own).saturating_add(i64::try_from(way_ms).unwrap_or(i64::MAX));
        // Whoever looks late by no more than the way may take is not: all would look late to one
        // another, give in, and look late once more.
        let shown = by(way_ms.0).max(by(way_ms.1).min(0));
        let stamped = self.leads.get(&from).and_then(|lead| lead.stamped);
        let counts_from = if settling { now.mono.plus_ms(SETTLING_MS) } else { now.mono };
        let (since, current, previous) = (now.mono, shown, i64::MIN);
        let fresh = Lead { since, current, previous, counts_from, settling, stamped };
        if self.newcomer && self.leads.is_empty() {
            // The first clock besides its own.
            self.next = self.next.min(now.mono);
        }
        let mut was_off = false;
        let lead = self.leads.entry(from);
        let lead = lead.and_modify(|lead| was_off = lead.is_off()).or_insert(fresh);
        lead.hear(fresh);
        self.off = self.off + usize::from(lead.is_off()) - usize::from(was_off);
    }

    /// What the peers show that counts now.
    fn counted(&self, now: Mono) -> impl Iterator<Item = &Lead> {
        self.leads.values().filter(move |lead| !lead.settling && lead.counts_from <= now)
    }

    /// A peer is gone.
    pub fn forget(&mut self, peer: NodeId) {
        let gone = self.leads.remove(&peer);
        self.off -= usize::from(gone.is_some_and(|lead| lead.is_off()));
    }

    /// This node did not run for a while: what waited in its sockets tells an old time. A majority of
    /// such frames would turn the clock back, and every stamp of the others would be refused as one
    /// from the future.
    pub fn forgive(&mut self, now: Mono) {
        self.leads.clear();
        self.off = 0;
        self.next = now.plus_ms(AFTER_GAP_MS);
    }

    /// This node becomes a member: the next correction is due now, unless it was stopped lately.
    pub fn join(&mut self, now: Mono) {
        self.newcomer = true;
        self.joining_until = None;
        if self.next <= now.plus_ms(STEER_MS) {
            self.next = now;
        }
    }

    /// Physical time was moved: the others are ahead by so much less.
    fn have_moved(&mut self, by_ms: i64) {
        for lead in self.leads.values_mut() {
            lead.current = lead.current.saturating_sub(by_ms);
            lead.previous = lead.previous.saturating_sub(by_ms);
        }
        self.off = self.leads.values().filter(|lead| lead.is_off()).count();
    }

    /// A peer has stamped something that this node does not believe: it cannot go back.
    pub fn has_stamped(&mut self, peer: NodeId, now: Mono) {
        if let Some(lead) = self.leads.get_mut(&peer) {
            lead.stamped = Some(now);
        }
    }

    /// The median of all clocks, this node's included, from where this node's is, in milliseconds: of
    /// an even number, the two between which it is.
    fn median(&self, now: Mono) -> (i64, i64) {
        let own = std::iter::once(0);
        let mut all: Vec<i64> = own.chain(self.counted(now).map(Lead::shown)).collect();
        all.sort_unstable();
        (all[(all.len() - 1) / 2], all[all.len() / 2])
    }

    /// How far this node has to move: to the median, itself included, if that is too far away.
    ///
    /// Of an even number, half may be ahead of the other half (of two, one of the other). Those ahead
    /// give in, because the others refuse their stamps; but who has stamped there would have nothing
    /// believed until the others' clocks have come so far, so it stays, and they follow it, once
    /// they have seen such a stamp. Who becomes a member follows at once. Not further than
    /// [`TIE_MS_MAX`]: a clock that runs an hour ahead would end everything that was to live for
    /// less.
    fn off_by(&self, clock: &Clock, now: Mono) -> i64 {
        // Of two, none is off the other's before they do not believe each other.
        let two = self.counted(now).count() == 1;
        let bound = if two { AHEAD_MS_MAX as i64 } else { OFF_MS_MAX };
        let (lower, upper) = self.median(now);
        let tied = upper - lower > bound && upper - lower <= TIE_MS_MAX;
        if tied && upper.abs() <= bound {
            let believed = clock.physical_ms(now) as i64 + lower + AHEAD_MS_MAX as i64;
            let stays = clock.latest().ms() as i64 > believed && clock.rules().stamped_stay();
            return if stays { 0 } else { lower };
        }
        let cannot_go_back = |lead: &Lead| {
            let seen = |at: Mono| now.since(at) <= WINDOW_MS * 1_000_000;
            lead.shown() > bound && lead.stamped.is_some_and(seen)
        };
        let follows = self.newcomer || self.leads.values().any(cannot_go_back);
        if tied && lower.abs() <= bound && follows {
            return upper;
        }
        if lower.abs() > bound { lower } else { 0 }
    }

    /// When [`Timekeeping::steer`] wants to be called.
    pub fn next_deadline(&self) -> Mono {
        self.next
    }

    /// Corrects physical time. `lone`: no other node is known, not even one that is out of sight
    /// and may be back. Returns by how many milliseconds the wall clock leads, if that is not
    /// believed and should be said.
    pub fn steer(&mut self, late: bool, lone: bool, clock: &Clock, now: Now) -> Option<i64> {
        if now.mono < self.next {
            return None;
        }
        self.next = now.mono.plus_ms(STEER_MS);
        if late {
            return None;
        }
        let bound = AHEAD_MS_MAX as i64;
        let agree = self.off == 0 || self.counted(now.mono).all(|lead| !lead.is_off());
        let step = if agree { 0 } else { self.off_by(clock, now.mono) };
        if step != 0 && clock.rules().follow_median() {
            clock.shift_ms(step);
            self.have_moved(step);
        }
        if self.newcomer && !self.leads.is_empty() {
            self.newcomer = false;
            self.joining_until = Some(now.mono.plus_ms(JOINING_MS));
        }
        let wall = clock.wall_lead_ms(now);
        if agree && wall.abs() <= NEAR_MS {
            // As nearly always: all clocks show about the same.
            clock.steer(now, true);
            return None;
        }
        let counted = self.counted(now.mono).count();
        // And rather that than what this node's clock shows: peers that are a little off themselves
        // would confirm one that is off by as much more, and some of them not believe its stamps.
        let same = |lead: &&Lead| {
            let off = (wall - lead.shown()).abs();
            off <= bound && off < lead.shown().abs()
        };
        let agree = self.counted(now.mono).filter(same).count();
        let confirmed = (lone && self.leads.is_empty()) || 2 * agree > counted;
        // Otherwise the wall clock is not followed so far from the others that this node would have
        // to give in to them again.
        let (lower, _) = self.median(now.mono);
        let away = if wall > 0 { -lower } else { lower };
        let follows = confirmed || away < HOLD_MS;
        if follows {
            let before = clock.physical_ms(now.mono) as i64;
            clock.steer(now, confirmed);
            self.have_moved(clock.physical_ms(now.mono) as i64 - before);
        }
        let ignored = !follows || (wall.abs() > bound && !confirmed);
        let complain = ignored && now.mono >= self.next_complaint;
        complain.then(|| {
            self.next_complaint = now.mono.plus_ms(COMPLAIN_MS);
            wall
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Hlc, Writer};

    fn now(ms: u64, wall_ms: u64) -> Now {
        Now { mono: Mono(0).plus_ms(ms), wall_ms }
    }

    fn peer(n: u8) -> NodeId {
        NodeId([n; 16])
    }

    fn header(shown_ms: u64) -> Header {
        Header { hlc: Hlc::at_ms(shown_ms), ahead_ms: 0, ring: 0, flushes: 0 }
    }

    fn heard(keeping: &mut Timekeeping, n: u8, shown_ms: u64, clock: &Clock, at: Now) {
        keeping.observe(peer(n), header(shown_ms), (0, 0), false, clock, at);
    }

    #[test]
    fn a_node_that_is_off_the_median_of_its_peers_follows_it() {
        let at = now(0, 100_000);
        let clock = Clock::new(Writer(1), at);
        let mut keeping = Timekeeping::default();
        heard(&mut keeping, 2, 160_000, &clock, at);
        heard(&mut keeping, 3, 160_010, &clock, at);
        keeping.steer(false, false, &clock, at);
        assert_eq!(clock.physical_ms(at.mono), 160_000);
        assert_eq!(keeping.refused, 2, "believed only after the clock was corrected");
    }

    #[test]
    fn what_waited_for_a_way_to_open_again_shows_no_clock() {
        let at = |ms: u64| now(ms, 100_000 + ms);
        let clock = Clock::new(Writer(1), at(0));
        let mut keeping = Timekeeping::default();
        (2..5).for_each(|n| heard(&mut keeping, n, 100_000, &clock, at(0)));
        keeping.steer(false, false, &clock, at(0));
        let after = at(5_000);
        (2..5).for_each(|n| heard(&mut keeping, n, 100_000, &clock, after));
        keeping.steer(false, false, &clock, after);
        assert_eq!(clock.physical_ms(after.mono), 105_000, "frames from before the silence");
        let later = at(5_000 + AFTER_SILENCE_MS);
        keeping.steer(false, false, &clock, later);
        assert_eq!(
            clock.physical_ms(later.mono),
            100_000 + AFTER_SILENCE_MS,
            "that is all there is"
        );
    }

    #[test]
    fn of_two_nodes_the_one_that_is_ahead_gives_in() {
        let at = now(0, 100_000);
        let clock = Clock::new(Writer(1), at);
        let mut keeping = Timekeeping::default();
        heard(&mut keeping, 2, 160_000, &clock, at);
        keeping.steer(false, false, &clock, at);
        assert_eq!(clock.physical_ms(at.mono), 100_000, "behind: stays");
        let mut keeping = Timekeeping::default();
        heard(&mut keeping, 2, 40_000, &clock, at);
        keeping.steer(false, false, &clock, at);
        assert_eq!(clock.physical_ms(at.mono), 40_000, "ahead: follows");
    }

    #[test]
    fn of_two_nodes_the_one_that_is_behind_gives_in_if_the_other_has_stamped() {
        let at = now(0, 100_000);
        let ahead = Clock::new(Writer(1), at);
        ahead.stamp(at.mono, Default::default());
        let mut keeping = Timekeeping::default();
        heard(&mut keeping, 2, 60_000, &ahead, at);
        keeping.steer(false, false, &ahead, at);
        assert_eq!(ahead.physical_ms(at.mono), 100_000, "nothing it has stamped would be believed");
        let behind = Clock::new(Writer(2), now(0, 60_000));
        let mut keeping = Timekeeping::default();
        heard(&mut keeping, 1, 100_000, &behind, at);
        keeping.has_stamped(peer(1), at.mono);
        keeping.steer(false, false, &behind, now(0, 60_000));
        assert_eq!(behind.physical_ms(at.mono), 100_000);
        // An hour ahead is too much, whatever was stamped.
        let mut keeping = Timekeeping::default();
        heard(&mut keeping, 3, 3_700_000, &behind, at);
        keeping.has_stamped(peer(3), at.mono);
        keeping.steer(false, false, &behind, now(0, 60_000));
        assert_eq!(behind.physical_ms(at.mono), 100_000);
    }

    #[test]
    fn frames_that_stood_in_a_queue_do_not_move_the_clock() {
        let clock = Clock::new(Writer(1), now(0, 100_000));
        let mut keeping = Timekeeping::default();
        heard(&mut keeping, 2, 100_000, &clock, now(0, 100_000));
        heard(&mut keeping, 3, 100_000, &clock, now(0, 100_000));
        // Two seconds later frames of long ago arrive, before newer ones do.
        let late = now(2_000, 102_000);
        for n in [2, 3] {
            heard(&mut keeping, n, 100_100, &clock, late);
        }
        keeping.steer(false, false, &clock, late);
        assert_eq!(clock.physical_ms(late.mono), 102_000);
        // And after a stop of this node, whatever comes says nothing until it is level again.
        let stopped = now(60_000, 160_000);
        for n in [2, 3] {
            keeping.observe(peer(n), header(102_000), (0, 0), true, &clock, stopped);
        }
        keeping.steer(true, false, &clock, stopped);
        assert_eq!(clock.physical_ms(stopped.mono), 160_000);
    }

    #[test]
    fn peers_that_are_nearer_to_the_clock_than_to_its_jump_do_not_confirm_it() {
        let clock = Clock::new(Writer(1), now(0, 100_000));
        let mut keeping = Timekeeping::default();
        let jumped = now(1_000, 101_600);
        (2..5).for_each(|n| heard(&mut keeping, n, 101_200, &clock, jumped));
        assert_eq!(keeping.steer(false, false, &clock, jumped), Some(600));
        assert_eq!(clock.physical_ms(jumped.mono), 101_000);
        let mut keeping = Timekeeping::default();
        heard(&mut keeping, 2, 101_450, &clock, jumped);
        keeping.steer(false, false, &clock, now(1_100, 101_700));
        assert_eq!(clock.physical_ms(Mono(0).plus_ms(1_100)), 101_700, "it rather shows that");
    }

    #[test]
    fn a_jump_of_the_own_wall_clock_is_said_and_not_believed() {
        let clock = Clock::new(Writer(1), now(0, 100_000));
        let mut keeping = Timekeeping::default();
        let jumped = now(1_000, 201_000);
        heard(&mut keeping, 2, 101_000, &clock, jumped);
        assert_eq!(keeping.steer(false, false, &clock, jumped), Some(100_000));
        assert_eq!(clock.physical_ms(jumped.mono), 101_000);
        // Nor where nobody can be heard: they may be back, and would refuse what is written
        // meanwhile.
        keeping.forget(peer(2));
        keeping.steer(false, false, &clock, now(2_000, 202_000));
        assert_eq!(clock.physical_ms(Mono(0).plus_ms(2_000)), 102_000);
        keeping.steer(false, true, &clock, now(3_000, 203_000));
        assert_eq!(clock.physical_ms(Mono(0).plus_ms(3_000)), 203_000);
    }

    /// Two in a row started with clocks that were hours off, and gave in at once; what the first had
    /// shown before and what the second showed were a majority (clock-jump seed 7074).
    #[test]
    fn who_has_just_started_is_not_followed_before_it_may_have_given_in() {
        let at = |ms: u64| now(ms, 100_000 + ms);
        let clock = Clock::new(Writer(1), at(0));
        let joining_until = Some(Mono(0));
        let mut keeping = Timekeeping { joining_until, ..Timekeeping::default() };
        heard(&mut keeping, 2, 20_000_000, &clock, at(0));
        heard(&mut keeping, 2, 100_050, &clock, at(50));
        heard(&mut keeping, 2, 100_310, &clock, at(310));
        heard(&mut keeping, 3, 40_000_000, &clock, at(500));
        keeping.steer(false, false, &clock, at(500));
        assert_eq!(clock.physical_ms(at(500).mono), 100_500);
        // If it has not, it counts, as everybody does.
        for n in [2, 3] {
            heard(&mut keeping, n, 40_000_400, &clock, at(900));
        }
        keeping.steer(false, false, &clock, at(900));
        assert_eq!(clock.physical_ms(at(900).mono), 40_000_400);
    }

    /// Walls may each be off true time by less than the bound, and off each other by more
    /// (clock-jump seed 7031).
    #[test]
    fn no_two_clocks_are_further_apart_than_is_believed() {
        let at = |ms: u64| now(ms, 100_000 + ms);
        let clock = Clock::new(Writer(1), at(0));
        let mut keeping = Timekeeping::default();
        let mut said = None;
        for ms in (0..9_900).step_by(100) {
            (2..4).for_each(|n| heard(&mut keeping, n, 99_700 + ms, &clock, at(ms)));
            heard(&mut keeping, 4, 99_800 + ms, &clock, at(ms));
            said = said.or(keeping.steer(false, false, &clock, at(ms)));
            let ahead = clock.physical_ms(at(ms).mono) - 99_700 - ms;
            assert_eq!(ahead, (5 + ms / 20).min(200), "it follows the others, then its wall clock");
        }
        assert_eq!(said, Some(100), "but not all the way");
    }

    /// Whoever has seen a stamp that is ahead shows it, and has a clock of its own all the same.
    #[test]
    fn what_a_peer_has_of_others_is_not_its_clock() {
        let at = now(0, 100_000);
        let clock = Clock::new(Writer(1), at);
        let mut keeping = Timekeeping::default();
        for n in 2..5 {
            let header = Header { ahead_ms: 480, ..header(100_480) };
            keeping.observe(peer(n), header, (0, 0), false, &clock, at);
        }
        keeping.steer(false, false, &clock, at);
        assert_eq!(clock.physical_ms(at.mono), 100_000);
        assert_eq!(clock.latest(), Hlc::at_ms(100_480));
    }

    /// All at the end of a long way would otherwise look late to one another, give in, and look late
    /// once more.
    #[test]
    fn a_long_way_is_no_clock_that_is_behind() {
        let at = now(0, 100_000);
        for way_ms in [(300, 300), (20, 400), (20, u64::MAX)] {
            let clock = Clock::new(Writer(1), at);
            let mut keeping = Timekeeping::default();
            for n in 2..5 {
                keeping.observe(peer(n), header(99_700), way_ms, false, &clock, at);
            }
            keeping.steer(false, false, &clock, at);
            assert_eq!(clock.physical_ms(at.mono), 100_000);
            // What shows a later time is no way.
            let mut keeping = Timekeeping::default();
            for n in 2..5 {
                keeping.observe(peer(n), header(100_400), way_ms, false, &clock, at);
            }
            keeping.steer(false, false, &clock, at);
            let shown = 100_400 + way_ms.0 - 5..=100_400 + way_ms.0;
            assert!(shown.contains(&clock.physical_ms(at.mono)), "and slewed");
        }
    }
}
