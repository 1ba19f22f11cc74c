//! Virtual time, and the clocks that each host makes of it.

use std::fmt;

use chickadee::store::{Mono, Now};
use serde::{Deserialize, Serialize};

/// Where every host's wall clock would stand at the beginning, were it right: milliseconds since
/// 1970.
pub const EPOCH_MS: u64 = 1_800_000_000_000;

/// Virtual nanoseconds since the beginning of a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Time(pub u64);

impl Time {
    /// So many milliseconds after the beginning.
    pub const fn ms(ms: u64) -> Time {
        Time(ms * 1_000_000)
    }

    /// This time, later by so many milliseconds.
    pub const fn plus_ms(self, ms: u64) -> Time {
        Time(self.0 + ms * 1_000_000)
    }

    /// This time, later by so many nanoseconds.
    pub const fn plus_ns(self, ns: u64) -> Time {
        Time(self.0 + ns)
    }

    /// Milliseconds from `earlier` to this; 0 if `earlier` is later.
    pub const fn ms_since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000_000
    }
}

impl fmt::Display for Time {
    /// Seconds with a microsecond's precision.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0 / 1_000;
        write!(f, "{:>3}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

/// The two clocks of one host. Neither is right.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clocks {
    /// What the monotonic clock showed at the beginning, in nanoseconds.
    pub origin_ns: u64,
    /// By how much the monotonic clock runs fast, in parts per million.
    pub rate_ppm: i64,
    /// By how much the wall clock is ahead, in milliseconds.
    pub wall_ahead_ms: i64,
    /// By how much the wall clock runs fast, in parts per million.
    pub wall_rate_ppm: i64,
}

impl Clocks {
    /// What a process on this host reads.
    pub fn read(&self, time: Time) -> Now {
        let wall = fast(time.0, self.wall_rate_ppm) / 1_000_000;
        Now {
            mono: Mono(self.origin_ns + fast(time.0, self.rate_ppm)),
            wall_ms: (EPOCH_MS + wall).saturating_add_signed(self.wall_ahead_ms),
        }
    }

    /// The first virtual time at which the monotonic clock shows that, not before `now`.
    pub fn when(&self, mono: Mono, now: Time) -> Time {
        let shown = mono.0.saturating_sub(self.origin_ns) as i64;
        let ahead = shown * self.rate_ppm / (1_000_000 + self.rate_ppm);
        // Rounding may have gone too far by one.
        let mut time = Time(((shown - ahead).max(1) as u64 - 1).max(now.0));
        while self.read(time).mono < mono {
            time.0 += 1;
        }
        time
    }
}

/// Exact for some days, at the rates that plans have.
fn fast(ns: u64, ppm: i64) -> u64 {
    ns.saturating_add_signed(ns as i64 * ppm / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_reached_when_it_is_due_and_not_before() {
        for rate_ppm in [-20_000, -7, 0, 13, 20_000] {
            let clocks = Clocks { origin_ns: 12_345, rate_ppm, ..Clocks::default() };
            for ns in [0, 1, 999_999_999, 120_000_000_001] {
                let mono = Mono(12_345 + ns);
                let due = clocks.when(mono, Time(0));
                assert!(clocks.read(due).mono >= mono);
                if due.0 > 1 {
                    assert!(clocks.read(Time(due.0 - 2)).mono < mono);
                }
            }
        }
    }
}
