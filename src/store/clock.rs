//! The hybrid logical clock, and the stamps it gives out.
//!
//! Physical time here is the monotonic clock plus an offset that is slewed towards the wall clock
//! ([`Clock::steer`]), so that a wall clock set back or forth by an operator or a bad time server
//! does not reach the versions of entries. Logical time is Kulkarni et al., *Logical Physical
//! Clocks* (2014): never behind physical time, never behind anything observed.
//!
//! What it keeps true: stamps of one clock grow strictly; a stamp further ahead of physical time
//! than [`AHEAD_MS_MAX`] is refused and never adopted. What it does not do: read any clock. Time is
//! an argument everywhere, so a simulation can give every node its own.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::rules::Rules;

/// How far a stamp may be ahead of physical time, and a wall clock may jump without being
/// confirmed by others, in milliseconds.
///
/// Without a bound one node whose clock runs a year ahead writes entries nobody can overwrite.
pub const AHEAD_MS_MAX: u64 = 500;

/// Most that one call of [`Clock::steer`] changes the offset, in nanoseconds.
const SLEW_NS_MAX: i64 = 5_000_000;

/// What time it is: both clocks, read once and passed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Monotonic time in nanoseconds since some fixed point of this process.
    pub mono: Mono,
    /// Wall clock in milliseconds since 1970.
    pub wall_ms: u64,
}

/// A monotonic instant: nanoseconds since a fixed point of this process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Mono(pub u64);

impl Mono {
    /// This instant, later by so many milliseconds.
    pub fn plus_ms(self, ms: u64) -> Mono {
        Mono(self.0.saturating_add(ms.saturating_mul(1_000_000)))
    }

    /// Nanoseconds from `earlier` to this instant; 0 if `earlier` is later.
    pub fn since(self, earlier: Mono) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Hybrid logical time: 48 bits of milliseconds since 1970 above a 16-bit counter.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The first hybrid time of a millisecond.
    pub fn at_ms(ms: u64) -> Hlc {
        Hlc(ms << 16)
    }

    /// The physical part, in milliseconds since 1970.
    pub fn ms(self) -> u64 {
        self.0 >> 16
    }
}

/// Who stamped: 64 random bits drawn at every start of a node, independent of its identity, so
/// that a restarted node with a clock set back can never issue a stamp twice.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Writer(pub u64);

/// The version of a value: unique, and totally ordered by time, then writer.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Stamp {
    /// When, by the hybrid clock.
    pub hlc: Hlc,
    /// By which life of which node.
    pub writer: Writer,
}

impl Stamp {
    /// Below every stamp a clock gives out.
    pub const ZERO: Stamp = Stamp { hlc: Hlc(0), writer: Writer(0) };
}

impl fmt::Display for Stamp {
    /// `milliseconds.counter@writer`, the writer in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}@{:016x}", self.hlc.ms(), self.hlc.0 & 0xffff, self.writer.0)
    }
}

/// The hybrid logical clock of one node, shared by all its threads.
#[derive(Debug)]
pub struct Clock {
    rules: Rules,
    writer: Writer,
    latest: AtomicU64,
    offset_ns: AtomicI64,
}

impl Clock {
    /// A clock for one life of a node. `writer` must be random.
    pub fn new(writer: Writer, now: Now) -> Clock {
        // Hybrid time starts at nothing, not at the wall clock: a node whose wall clock is ahead
        // must be able to give in to its peers before it has stamped anything.
        Clock {
            rules: Rules::default(),
            writer,
            latest: AtomicU64::new(0),
            offset_ns: AtomicI64::new(now.wall_ms as i64 * 1_000_000 - now.mono.0 as i64),
        }
    }

    /// The same under other rules.
    pub fn under(self, rules: Rules) -> Clock {
        Clock { rules, ..self }
    }

    /// The rules it keeps.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The writer in this clock's stamps.
    pub fn writer(&self) -> Writer {
        self.writer
    }

    /// Physical time in milliseconds since 1970: the monotonic clock plus the slewed offset.
    pub fn physical_ms(&self, now: Mono) -> u64 {
        let ns = (now.0 as i64).saturating_add(self.offset_ns.load(Ordering::Relaxed));
        ns.max(0) as u64 / 1_000_000
    }

    /// What deadlines are compared with, in milliseconds since 1970: the later of physical and
    /// hybrid time, so that a node whose clock is behind does not serve what others know expired.
    pub fn expiry_ms(&self, now: Mono) -> u64 {
        self.physical_ms(now).max(self.latest().ms())
    }

    /// The latest hybrid time issued or observed.
    pub fn latest(&self) -> Hlc {
        Hlc(self.latest.load(Ordering::Relaxed))
    }

    /// Hybrid time now, without issuing a stamp: what frames tell peers.
    pub fn read(&self, now: Mono) -> Hlc {
        self.latest().max(Hlc::at_ms(self.physical_ms(now)))
    }

    /// A new stamp: above physical time, above every stamp issued or observed here, and above
    /// `above` (what the writer holds for the key).
    pub fn stamp(&self, now: Mono, above: Stamp) -> Stamp {
        let floor = Hlc::at_ms(self.physical_ms(now)).0.max(above.hlc.0 + 1);
        let mut latest = self.latest.load(Ordering::Relaxed);
        loop {
            let next = floor.max(latest + 1);
            match self.latest.compare_exchange_weak(
                latest,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    let writer = if self.rules.tie_break() { self.writer } else { Writer(0) };
                    return Stamp { hlc: Hlc(next), writer };
                }
                Err(other) => latest = other,
            }
        }
    }

    /// Whether a stamp of that time may be believed now.
    pub fn believes(&self, hlc: Hlc, now: Mono) -> bool {
        hlc.ms() <= self.physical_ms(now) + AHEAD_MS_MAX || !self.rules.clock_bound()
    }

    /// Moves hybrid time up to what a peer showed. Returns `false`, and changes nothing, if that is
    /// too far ahead to be believed.
    pub fn observe(&self, hlc: Hlc, now: Mono) -> bool {
        if !self.believes(hlc, now) {
            return false;
        }
        if self.rules.observe() {
            self.latest.fetch_max(hlc.0, Ordering::Relaxed);
        }
        true
    }

    /// How far the wall clock is from physical time, in milliseconds (positive: ahead).
    pub fn wall_lead_ms(&self, now: Now) -> i64 {
        now.wall_ms as i64 - self.physical_ms(now.mono) as i64
    }

    /// Moves physical time, because the cluster as a whole believes another one.
    pub fn shift_ms(&self, ms: i64) {
        self.offset_ns.fetch_add(ms.saturating_mul(1_000_000), Ordering::Relaxed);
    }

    /// Slews physical time towards the wall clock, at most 5 ms a call. A lead beyond
    /// [`AHEAD_MS_MAX`] is a jump: it is taken over at once if `confirmed` (a majority of the peers
    /// shows the same time, or there are none), and ignored otherwise.
    ///
    /// Physical time may thus step back; hybrid time never does.
    pub fn steer(&self, now: Now, confirmed: bool) {
        let offset = self.offset_ns.load(Ordering::Relaxed);
        let target = now.wall_ms as i64 * 1_000_000 - now.mono.0 as i64;
        let error = target - offset;
        let step = if error.unsigned_abs() <= AHEAD_MS_MAX * 1_000_000 {
            error.clamp(-SLEW_NS_MAX, SLEW_NS_MAX)
        } else if confirmed {
            error
        } else {
            return;
        };
        self.offset_ns.store(offset + step, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(mono_ms: u64, wall_ms: u64) -> Now {
        Now { mono: Mono(mono_ms * 1_000_000), wall_ms }
    }

    #[test]
    fn stamps_grow_even_when_time_stands_still() {
        let clock = Clock::new(Writer(7), now(0, 1_000));
        let mut last = Stamp::ZERO;
        for _ in 0..100_000 {
            let stamp = clock.stamp(Mono(0), Stamp::ZERO);
            assert!(stamp > last);
            last = stamp;
        }
        assert!(last.hlc.ms() <= 1_002, "the counter carries into the milliseconds");
    }

    #[test]
    fn a_stamp_is_above_the_one_it_replaces() {
        let clock = Clock::new(Writer(1), now(0, 1_000));
        let held = Stamp { hlc: Hlc::at_ms(1_400), writer: Writer(u64::MAX) };
        assert!(clock.stamp(Mono(0), held) > held);
    }

    #[test]
    fn a_stamp_too_far_ahead_is_not_adopted() {
        let clock = Clock::new(Writer(1), now(0, 1_000));
        assert!(!clock.observe(Hlc::at_ms(1_501), Mono(0)));
        assert_eq!(clock.latest(), Hlc(0));
        assert!(clock.observe(Hlc::at_ms(1_500), Mono(0)));
        assert_eq!(clock.latest(), Hlc::at_ms(1_500));
    }

    #[test]
    fn a_jump_of_the_wall_clock_waits_for_confirmation_and_a_drift_does_not() {
        let clock = Clock::new(Writer(1), now(0, 10_000));
        clock.steer(now(100, 13_100), false);
        assert_eq!(clock.physical_ms(Mono(100_000_000)), 10_100);
        clock.steer(now(100, 13_100), true);
        assert_eq!(clock.physical_ms(Mono(100_000_000)), 13_100);
        clock.steer(now(200, 13_300), false);
        assert_eq!(clock.physical_ms(Mono(200_000_000)), 13_205, "slewed by 5 ms of 100");
    }
}
